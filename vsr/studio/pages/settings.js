// What is to be made: the form, the region in numbers, the plan and the command for it.

import { at, make, rows } from "./dom.js";
import { post, Refusal } from "./api.js";

const MAIN_ROWS = ["size", "method", "codec", "copied", "assumed", "dropped"];
const DELAY = 250; // milliseconds without a change before the plan is asked for

export class Settings extends EventTarget {
  constructor(about) {
    super();
    this.about = about;
    this.video = null;
    this.frame = 0;
    this.region = null; // upright
    this.timer = 0;
    this.number = 0;
    this.method = null; // of the latest plan
    this.fill();
    for (const id of ["panel-video", "panel-still"]) {
      at(id).addEventListener("submit", (event) => event.preventDefault());
      at(id).addEventListener("input", () => this.changed());
    }
    for (const [tab, other] of [["video", "still"], ["still", "video"]]) {
      at(`tab-${tab}`).addEventListener("click", () => this.choose(tab));
      at(`tab-${tab}`).addEventListener("keydown", (event) => {
        if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
        this.choose(other);
        at(`tab-${other}`).focus();
      });
    }
    at("copy").addEventListener("click", () => this.copy());
  }

  fill() {
    const { presets, methods, passes, codecs, screens, transfers } = this.about;
    const options = (list) => list.map(({ name }) => make("option", { value: name, textContent: name }));
    at("preset").append(...options(presets));
    at("preset").value = "default";
    at("method").append(make("option", { value: "", textContent: "as the preset says" }), ...options(methods));
    at("codec").append(make("option", { value: "", textContent: "as the source suggests" }), ...options(codecs));
    at("size-to").append(...screens.map((name) => make("option", { value: name, textContent: name })));
    at("size-to").value = "1080p";
    for (const id of ["transfer", "still-transfer"]) at(id).append(...transfers.map((name) => make("option", { value: name, textContent: name })));
    at("passes").append(make("span", { textContent: "Passes" }), make("span", { class: "stack" }, ...passes.map(({ name, summary }) =>
      make("label", { class: "check", title: summary }, make("input", { type: "checkbox", name: "pass", value: name }), ` ${name}`))));
  }

  get kind() { return at("tab-still").getAttribute("aria-selected") === "true" ? "still" : "upscale"; }

  choose(tab) {
    for (const name of ["video", "still"]) {
      const isChosen = name === tab;
      at(`tab-${name}`).setAttribute("aria-selected", String(isChosen));
      at(`tab-${name}`).tabIndex = isChosen ? 0 : -1;
      at(`panel-${name}`).hidden = !isChosen;
    }
    for (const id of ["preview", "try", "try-own"]) at(id).hidden = tab === "still";
    at("add").textContent = tab === "still" ? "Make this still" : "Add to queue";
    this.changed();
  }

  open(video) {
    this.video = video;
    this.region = null;
    for (const id of ["output", "still-output", "start", "end"]) at(id).value = "";
    this.changed();
  }

  // The region in pixels of the video as it is coded, as --roi takes it.
  get roi() {
    if (!this.region) return null;
    let { x, y, width, height } = this.region, [fullWidth, fullHeight] = [this.video.shown.width, this.video.shown.height];
    if (this.video.mirrored) x = fullWidth - x - width;
    for (let turn = 0; turn < this.video.turns; turn += 1) {
      [x, y, width, height] = [fullHeight - y - height, x, height, width];
      [fullWidth, fullHeight] = [fullHeight, fullWidth];
    }
    return [x, y, width, height].join(",");
  }

  get sizes() {
    const kind = at("size").value;
    if (!kind) return { scale: null, height: null, to: null };
    const value = at(`size-${kind}`).value;
    return { scale: null, height: null, to: null, [kind]: kind === "to" ? value : Number(value) };
  }

  get upscale() {
    const text = (id) => at(id).value.trim() || null;
    return {
      input: this.video.name, fps: this.video.fps, output: text("output"), preset: at("preset").value, method: text("method"), ...this.sizes,
      passes: [...document.querySelectorAll("input[name=pass]:checked")].map((box) => box.value),
      codec: text("codec"), crf: at("crf").value === "" ? null : Number(at("crf").value), deinterlace: text("deinterlace"),
      input_transfer: text("transfer"), evidence: at("evidence").checked, drop_streams: at("drop").checked, report: at("report").checked,
      start: text("start"), end: text("end"),
    };
  }

  get still() {
    return {
      input: this.video.name, fps: this.video.fps, output: at("still-output").value.trim() || null, at: String(this.frame), roi: this.roi,
      frames: Number(at("still-frames").value), scale: Number(at("still-scale").value), motion: at("still-motion").value,
      input_transfer: at("still-transfer").value || null, report: at("still-report").checked,
    };
  }

  // Two seconds from the frame on: by several methods, or by bicubic and the chosen one.
  trial(isOwn) {
    return { methods: isOwn && this.method ? ["bicubic", this.method] : [], input: this.video.name, fps: this.video.fps, preset: at("preset").value, ...this.sizes, at: String(this.frame), roi: this.roi };
  }

  get order() { return { kind: this.kind, choice: this.kind === "still" ? this.still : this.upscale }; }

  changed() {
    for (const kind of ["scale", "height", "to"]) at(`size-${kind}`).hidden = at("size").value !== kind;
    const hint = (id, list) => { at(`${id}-hint`).textContent = list.find(({ name }) => name === at(id).value)?.summary ?? ""; };
    hint("preset", this.about.presets);
    hint("method", this.about.methods);
    clearTimeout(this.timer);
    if (this.video) this.timer = setTimeout(() => this.plan(), DELAY);
    this.dispatchEvent(new Event("changed"));
  }

  async plan() {
    const number = this.number += 1;
    try {
      const plan = await post("/api/plan", this.order);
      if (number !== this.number) return;
      at("refusal").textContent = "";
      this.method = plan.method;
      at("command").textContent = plan.command;
      at(this.kind === "still" ? "still-output" : "output").placeholder = plan.output;
      this.describe(plan.rows ?? []);
      at("add").disabled = false;
    } catch (error) {
      if (number !== this.number || !(error instanceof Refusal)) return;
      at("refusal").textContent = error.message;
      at("command").textContent = "";
      this.describe([]);
      at("add").disabled = true;
    }
  }

  describe(plan) {
    rows(at("plan"), plan.filter(([name]) => MAIN_ROWS.includes(name)));
    rows(at("plan-more"), plan.filter(([name]) => !MAIN_ROWS.includes(name)));
    at("more").hidden = plan.length === 0;
  }

  async copy() {
    const text = at("command").textContent;
    try {
      await navigator.clipboard.writeText(text);
      at("copy").textContent = "Copied";
    } catch { // not allowed: it is marked, to be copied by hand
      getSelection().selectAllChildren(at("command"));
      at("copy").textContent = "Press Ctrl+C";
    }
    setTimeout(() => { at("copy").textContent = "Copy as command"; }, 2000);
  }
}
