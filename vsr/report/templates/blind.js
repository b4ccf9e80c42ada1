"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const text = new TextDecoder().decode(Uint8Array.from(atob(find("data").textContent.trim()), (c) => c.charCodeAt(0)));
  const data = JSON.parse(text);
  const choices = [];
  const started = new Date().toISOString();
  const ZOOMS = [1, 1.5, 2, 3, 4, 6, 8];
  const view = { zoom: 1, x: 0.5, y: 0.5, showsOriginal: false };
  let place = 0;
  let shownAt = 0;

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

  function draw() {
    const half = 0.5 / view.zoom;
    view.x = clamp(view.x, half, 1 - half);
    view.y = clamp(view.y, half, 1 - half);
    const move = `translate(${100 * (0.5 - view.x * view.zoom)}%, ${100 * (0.5 - view.y * view.zoom)}%) scale(${view.zoom})`;
    for (const id of ["left", "right"]) find(id).style.transform = view.zoom === 1 ? "" : move;
    find("zoom").textContent = `${view.zoom}×`;
    find("out").disabled = view.zoom === ZOOMS[0];
    find("in").disabled = view.zoom === ZOOMS[ZOOMS.length - 1];
  }

  function fill() {
    const pair = data.pairs[place];
    const right = pair.left === "a" ? "b" : "a";
    find("left").src = view.showsOriginal ? pair.images.reference : pair.images[pair.left];
    find("right").src = view.showsOriginal ? pair.images.reference : pair.images[right];
    const original = find("original");
    if (original) original.setAttribute("aria-pressed", String(view.showsOriginal));
  }

  function show(index) {
    place = index;
    const finished = place >= data.pairs.length;
    find("pair").hidden = finished;
    find("done").hidden = !finished;
    if (finished) return end();
    view.showsOriginal = false;
    find("place").textContent = `${place + 1} of ${data.pairs.length}`;
    find("back").disabled = place === 0;
    for (const button of document.querySelectorAll("[data-choice]")) {
      button.classList.toggle("chosen", Boolean(choices[place]) && choices[place].side === button.dataset.choice);
    }
    fill();
    draw();
    shownAt = performance.now();
  }

  function choose(side) {
    if (place >= data.pairs.length) return;
    const pair = data.pairs[place];
    const right = pair.left === "a" ? "b" : "a";
    choices[place] = {
      seconds: pair.seconds,
      frames: pair.frames,
      left: pair.left,
      chosen: side === "left" ? pair.left : side === "right" ? right : "same",
      side,
      after_seconds: Math.round(performance.now() - shownAt) / 1000,
    };
    show(place + 1);
  }

  function counted() {
    const counts = { a: 0, b: 0, same: 0 };
    for (const choice of choices) counts[choice.chosen] += 1;
    return counts;
  }

  // Two-sided sign test: how often chance alone gives a split at least as uneven.
  function chance(a, b) {
    const n = a + b;
    let sum = 0;
    let ways = 1;
    for (let k = 0; k <= Math.min(a, b); k += 1) {
      sum += ways;
      ways = ways * (n - k) / (k + 1);
    }
    return Math.min(1, 2 * sum / 2 ** n);
  }

  function end() {
    const counts = counted();
    const name = (key) => data.names[key].split(/[\\/]/).pop();
    find("place").textContent = "";
    find("result").textContent =
      `${name("a")} was better ${counts.a} times, ${name("b")} ${counts.b} times; no difference ${counts.same} times. ` +
      `By chance alone a split like this, or a clearer one, comes with probability ${chance(counts.a, counts.b).toFixed(2)}.`;
    document.querySelector("#done h2").focus();
  }

  function save() {
    const record = {
      format: data.format, kind: data.kind, names: data.names, seed: data.seed, who: find("who").value,
      started, finished: new Date().toISOString(), counts: counted(), choices: choices.map(({ side, ...rest }) => rest),
    };
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(record, null, 1)], { type: "application/json" }));
    link.download = "choices.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  function zoomBy(step) {
    view.zoom = ZOOMS[clamp(ZOOMS.indexOf(view.zoom) + step, 0, ZOOMS.length - 1)];
    draw();
  }

  function toggleOriginal() {
    if (!find("original") || place >= data.pairs.length) return;
    view.showsOriginal = !view.showsOriginal;
    fill();
  }

  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input")) return;
    const move = MOVES[event.key];
    const sides = { 1: "left", 2: "same", 3: "right" };
    if (sides[event.key] && place < data.pairs.length && !event.repeat) choose(sides[event.key]);
    else if (event.key === "Backspace" && place > 0) show(place - 1);
    else if (event.key === "+" || event.key === "=") zoomBy(1);
    else if (event.key === "-") zoomBy(-1);
    else if (event.key.toLowerCase() === "o") toggleOriginal();
    else if (move && view.zoom > 1) {
      view.x += move[0] * 0.1 / view.zoom;
      view.y += move[1] * 0.1 / view.zoom;
      draw();
    } else return;
    event.preventDefault();
  });

  const panes = document.querySelector(".panes");
  let drag = null;
  panes.addEventListener("pointerdown", (event) => {
    drag = { startX: event.clientX, startY: event.clientY, x: view.x, y: view.y };
    panes.setPointerCapture(event.pointerId);
  });
  panes.addEventListener("pointermove", (event) => {
    if (!drag || view.zoom === 1) return;
    const box = document.querySelector(".pane").getBoundingClientRect();
    view.x = drag.x - (event.clientX - drag.startX) / box.width / view.zoom;
    view.y = drag.y - (event.clientY - drag.startY) / box.height / view.zoom;
    draw();
  });
  for (const name of ["pointerup", "pointercancel"]) panes.addEventListener(name, () => { drag = null; });

  for (const button of document.querySelectorAll("[data-choice]")) {
    button.addEventListener("click", () => choose(button.dataset.choice));
  }
  find("back").addEventListener("click", () => show(place - 1));
  find("again").addEventListener("click", () => show(data.pairs.length - 1));
  find("out").addEventListener("click", () => zoomBy(-1));
  find("in").addEventListener("click", () => zoomBy(1));
  find("save").addEventListener("click", save);
  if (find("original")) find("original").addEventListener("click", toggleOriginal);
  show(0);
})();
