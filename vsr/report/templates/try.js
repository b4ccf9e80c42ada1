"use strict";
// One video holds all versions side by side on a grid, so that they cannot run apart; each pane shows its tile of it.
(() => {
  const command = document.getElementById("command");
  const choice = document.querySelector(".choice");
  choice.hidden = false;
  choice.addEventListener("change", (event) => { command.textContent = event.target.value; });

  const video = document.getElementById("sheet");
  if (!video) return;
  const play = document.getElementById("play");
  const images = document.getElementById("images");
  const facts = video.dataset;
  const [columns, width, height, rate] = [facts.columns, facts.width, facts.height, facts.rate].map(Number);
  const names = JSON.parse(facts.names);
  const counts = JSON.parse(facts.counts);
  const moment = document.createElement("canvas"); // the video may go on between two draws
  moment.width = columns * width;
  moment.height = Math.ceil(names.length / columns) * height;

  function canvasOf(pane) {
    let canvas = pane.querySelector("canvas");
    if (!canvas) {
      canvas = document.createElement("canvas");
      canvas.width = width;
      canvas.height = height;
      canvas.style.transform = pane.querySelector("img").style.transform;
      pane.insertBefore(canvas, pane.querySelector(".tag"));
    }
    return canvas;
  }

  function paint() {
    if (images.dataset.playing === undefined) return;
    const panes = images.querySelectorAll(".frame.current .before, .frame.current .after");
    const last = Math.min(...[...panes].map((pane) => counts[names.indexOf(pane.dataset.version)]));
    if (video.ended || video.currentTime >= last / rate) {
      video.currentTime = 0;
      video.play();
    }
    moment.getContext("2d").drawImage(video, 0, 0, moment.width, moment.height);
    for (const pane of panes) {
      const index = names.indexOf(pane.dataset.version);
      const place = [index % columns * width, Math.floor(index / columns) * height];
      canvasOf(pane).getContext("2d").drawImage(moment, ...place, width, height, 0, 0, width, height);
    }
    requestAnimationFrame(paint);
  }

  function stop() {
    video.pause();
    delete images.dataset.playing;
    play.setAttribute("aria-pressed", "false");
    play.textContent = "Play";
  }

  play.addEventListener("click", async () => {
    if (images.dataset.playing !== undefined) { stop(); return; }
    await video.play();
    images.dataset.playing = "";
    play.setAttribute("aria-pressed", "true");
    play.textContent = "Stop";
    paint();
  });
  document.querySelector(".strip").addEventListener("click", stop);
})();
