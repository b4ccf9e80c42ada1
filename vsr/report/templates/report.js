"use strict";
(() => {
  const images = document.getElementById("images");
  const frames = [...images.querySelectorAll(".frame")];
  if (!frames.length) return;
  const viewer = document.getElementById("frames");
  const links = [...viewer.querySelectorAll(".strip a")];
  const range = document.getElementById("cut");
  const said = document.getElementById("said");
  const zoomValue = document.getElementById("zoom-value");
  const modes = [...viewer.querySelectorAll("input[name=mode]")];
  const sides = [...viewer.querySelectorAll("select[data-side]")]; // where there are more than two versions
  const pixels = document.getElementById("pixels");
  const ZOOMS = [1, 1.5, 2, 3, 4, 6, 8, 12, 16];
  const state = { frame: 0, mode: modes.length ? "slider" : "alone", zoom: 1, x: 0.5, y: 0.5, cut: 50, swapped: false };

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const stage = () => frames[state.frame].querySelector(".stage");
  const pane = () => stage().querySelector(".after");

  // The place (x, y), as a share of the image, is in the middle of the pane as far as the image's edges allow.
  function place(glide) {
    const half = 0.5 / state.zoom;
    state.x = clamp(state.x, half, 1 - half);
    state.y = clamp(state.y, half, 1 - half);
    const move = `translate(${100 * (0.5 - state.x * state.zoom)}%, ${100 * (0.5 - state.y * state.zoom)}%) scale(${state.zoom})`;
    const current = stage();
    for (const image of current.querySelectorAll("img, canvas")) {
      image.classList.toggle("gliding", Boolean(glide));
      image.style.transform = state.zoom === 1 ? "" : move;
    }
    current.classList.toggle("zoomed", state.zoom > 1);
    const before = current.querySelector(".before");
    if (before) {
      before.style.clipPath = state.mode === "slider" ? `inset(0 ${100 - state.cut}% 0 0)` : "";
      current.querySelector(".divider").style.left = `${state.cut}%`;
    }
  }

  function draw(glide) {
    images.className = `live${state.swapped ? " swapped" : ""}${pixels.checked ? " pixels" : ""}`;
    images.dataset.mode = state.mode;
    frames.forEach((frame, index) => frame.classList.toggle("current", index === state.frame));
    links.forEach((link, index) => {
      if (index === state.frame) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
    zoomValue.textContent = `${state.zoom}×`;
    viewer.querySelector("[data-zoom=out]").disabled = state.zoom === ZOOMS[0];
    viewer.querySelector("[data-zoom=in]").disabled = state.zoom === ZOOMS[ZOOMS.length - 1];
    if (range) range.value = state.cut;
    for (const mode of modes) mode.checked = mode.value === state.mode;
    place(glide);
  }

  function show(index, scroll) {
    state.frame = clamp(index, 0, frames.length - 1);
    draw(false);
    const link = links[state.frame];
    if (link) {
      const strip = link.parentElement;
      strip.scrollLeft = link.offsetLeft - strip.offsetLeft - (strip.clientWidth - link.clientWidth) / 2;
    }
    said.textContent = frames[state.frame].querySelector("figcaption").textContent.trim();
    if (scroll) viewer.scrollIntoView({ block: "start" });
  }

  function zoomTo(zoom, x, y) {
    const before = state.zoom;
    state.zoom = zoom;
    if (x !== undefined) { // the place under the pointer stays there
      state.x = x + (state.x - x) * (before / zoom);
      state.y = y + (state.y - y) * (before / zoom);
    }
    draw(true);
  }

  function zoomBy(step, x, y) {
    const index = ZOOMS.indexOf(state.zoom);
    zoomTo(ZOOMS[clamp(index + step, 0, ZOOMS.length - 1)], x, y);
  }

  function setCut(cut) {
    state.cut = clamp(Math.round(cut), 0, 100);
    if (range) range.value = state.cut;
    place(false);
  }

  // Each side shows the version chosen for it; where both choose one, the other side takes what this one had.
  function choose(changed) {
    const other = sides.find((select) => select !== changed);
    if (changed && other.value === changed.value) other.value = changed.dataset.shown;
    for (const select of sides) select.dataset.shown = select.value;
    for (const pane of images.querySelectorAll(".pane")) {
      for (const select of sides) pane.classList.toggle(select.dataset.side, pane.dataset.version === select.value);
    }
    draw(false);
  }

  function setMode(mode) {
    state.mode = mode;
    state.swapped = mode === "blink";
    draw(false);
  }

  // Where on the image the pointer is, as shares.
  function spot(event) {
    const pane = event.target.closest(".pane") || stage().querySelector(".after");
    const box = pane.getBoundingClientRect();
    const half = 0.5 / state.zoom;
    return {
      x: state.x - half + (event.clientX - box.left) / box.width / state.zoom,
      y: state.y - half + (event.clientY - box.top) / box.height / state.zoom,
    };
  }

  for (const frame of frames) {
    const current = frame.querySelector(".stage");
    current.tabIndex = 0;
    current.setAttribute("role", "group");
    current.setAttribute("aria-label", "Images; the keys are listed below");
    let drag = null;
    current.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const box = current.getBoundingClientRect();
      const near = Math.abs((event.clientX - box.left) / box.width * 100 - state.cut) * box.width / 100 < 22;
      const divides = state.mode === "slider" && (state.zoom === 1 || near);
      drag = { divides, startX: event.clientX, startY: event.clientY, x: state.x, y: state.y, moved: false };
      current.setPointerCapture(event.pointerId);
      current.classList.toggle("moving", !divides && state.zoom > 1);
      if (divides) setCut((event.clientX - box.left) / box.width * 100);
    });
    current.addEventListener("pointermove", (event) => {
      if (!drag) return;
      drag.moved = drag.moved || Math.hypot(event.clientX - drag.startX, event.clientY - drag.startY) > 4;
      if (drag.divides) {
        const box = current.getBoundingClientRect();
        setCut((event.clientX - box.left) / box.width * 100);
      } else if (state.zoom > 1) {
        const box = current.querySelector(".after").getBoundingClientRect();
        state.x = drag.x - (event.clientX - drag.startX) / box.width / state.zoom;
        state.y = drag.y - (event.clientY - drag.startY) / box.height / state.zoom;
        place(false);
      }
    });
    const release = () => {
      if (drag && !drag.moved && state.mode === "blink") { state.swapped = !state.swapped; draw(false); }
      drag = null;
      current.classList.remove("moving");
    };
    current.addEventListener("pointerup", release);
    current.addEventListener("pointercancel", release);
    current.addEventListener("dblclick", (event) => {
      const at = spot(event);
      if (state.zoom >= 8) zoomTo(1);
      else zoomTo(state.zoom < 2 ? 2 : state.zoom < 4 ? 4 : 8, at.x, at.y);
    });
    current.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const at = spot(event);
      zoomBy(event.deltaY < 0 ? 1 : -1, at.x, at.y);
    }, { passive: false });
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, textarea, video")) return;
    const onStage = Boolean(event.target.closest(".stage"));
    const arrow = ARROWS[event.key];
    if (arrow && onStage) {
      if (state.zoom > 1) {
        state.x += arrow[0] * 0.1 / state.zoom;
        state.y += arrow[1] * 0.1 / state.zoom;
        place(true);
      } else if (state.mode === "slider" && arrow[0]) setCut(state.cut + 2 * arrow[0]);
      else return;
    } else if (event.key === "[") show(state.frame - 1);
    else if (event.key === "]") show(state.frame + 1);
    else if (event.key === "+" || event.key === "=") zoomBy(1);
    else if (event.key === "-" || event.key === "−") zoomBy(-1);
    else if (event.key === "0") zoomTo(1);
    else if (/^[1-3]$/.test(event.key) && modes.length) setMode(modes[Number(event.key) - 1].value);
    else if (event.key.toLowerCase() === "p") { pixels.checked = !pixels.checked; draw(false); }
    else if (event.key.toLowerCase() === "b" && state.mode === "blink") { state.swapped = !state.swapped; draw(false); }
    else return;
    event.preventDefault();
  });

  viewer.querySelector(".zoom").addEventListener("click", (event) => {
    const action = event.target.dataset.zoom;
    if (action === "in") zoomBy(1);
    if (action === "out") zoomBy(-1);
    if (action === "reset") zoomTo(1);
  });
  for (const mode of modes) mode.addEventListener("change", () => setMode(mode.value));
  for (const select of sides) select.addEventListener("change", () => choose(select));
  pixels.addEventListener("change", () => draw(false));
  if (range) range.addEventListener("input", () => setCut(Number(range.value)));
  links.forEach((link, index) => link.addEventListener("click", (event) => { event.preventDefault(); show(index); }));
  const fromHash = (scroll) => {
    const found = /^#frame-(\d+)$/.exec(location.hash);
    if (found) show(Number(found[1]) - 1, scroll);
  };
  window.addEventListener("hashchange", () => fromHash(true));

  for (const part of viewer.querySelectorAll("[hidden]")) part.hidden = false;
  if (sides.length) choose(null);
  draw(false);
  fromHash(false);
})();
