// The queue: each job keeps its elements, so that nothing under the mouse or the focus is replaced while it runs.

import { at, clock, make, say } from "./dom.js";
import { get, post } from "./api.js";

const WORDS = { waiting: "waiting", running: "running", pausing: "stopping after what is in hand", paused: "paused", done: "done", failed: "failed", cancelled: "cancelled" };
const KINDS = { upscale: "Video", still: "Still", try: "Comparison" };
const PRIORITIES = { "-1": "low", 0: "normal", 1: "high" };

const BUTTONS = [
  ["pause", "Pause", (job) => job.state === "running" || job.state === "waiting"],
  ["resume", "Resume", (job) => job.state === "paused" || job.state === "cancelled"],
  ["resume", "Try again", (job) => job.state === "failed"],
  ["up", "Earlier", (job) => job.state === "waiting" || job.state === "paused"],
  ["down", "Later", (job) => job.state === "waiting" || job.state === "paused"],
  ["cancel", "Cancel", (job) => ["waiting", "running", "pausing", "paused"].includes(job.state)],
  ["remove", "Remove", (job) => ["done", "failed", "cancelled"].includes(job.state)],
];

export class Queue {
  constructor({ onPlay }) {
    this.list = at("jobs");
    this.cards = new Map();
    this.states = new Map();
    this.onPlay = onPlay;
  }

  async refresh() { this.update(await get("/api/jobs")); }

  update({ jobs, preview }) {
    this.preview = preview;
    at("queue-empty").hidden = jobs.length > 0;
    const ids = new Set(jobs.map(({ id }) => id));
    for (const [id, card] of this.cards) if (!ids.has(id)) { card.root.remove(); this.cards.delete(id); this.states.delete(id); }
    jobs.forEach((job, place) => {
      if (!this.cards.has(job.id)) this.cards.set(job.id, this.card(job));
      const card = this.cards.get(job.id);
      this.fill(card, job);
      if (this.list.children[place] !== card.root) this.list.insertBefore(card.root, this.list.children[place] ?? null);
      const before = this.states.get(job.id);
      if (before !== undefined && before !== job.state) say(`${job.output}: ${WORDS[job.state]}${job.error ? `, ${job.error}` : ""}`);
      this.states.set(job.id, job.state);
    });
    const running = jobs.find((job) => job.state === "running");
    const share = running && shareOf(running);
    document.title = share ? `${Math.floor(100 * share)} % · vsr studio` : "vsr studio";
  }

  card(job) {
    const title = make("h3", {}, make("span", { class: "badge", textContent: KINDS[job.kind] }), ` ${job.output}`);
    const from = make("p", { class: "soft from", textContent: `from ${job.input}` });
    const state = make("span", { class: "state" });
    const detail = make("span", { class: "soft detail" });
    const bar = make("progress", { max: 1, value: 0, "aria-label": `Progress of ${job.output}` });
    const error = make("p", { class: "refusal" });
    const newest = make("img", { class: "newest", alt: `Newest frames of ${job.output}, before and after`, hidden: true });
    const links = make("span", { class: "links" });
    const buttons = BUTTONS.map(([action, text, isFor]) => ({
      isFor,
      element: make("button", { type: "button", textContent: text, "aria-label": `${text}: ${job.output}`, onclick: () => this.act(job.id, action) }),
    }));
    const priority = make("select", { "aria-label": `Priority of ${job.output}`, onchange: () => this.prioritise(job.id, Number(priority.value)) },
      ...[1, 0, -1].map((value) => make("option", { value: String(value), textContent: `${PRIORITIES[value]} priority` })));
    const command = make("details", {}, make("summary", { textContent: "Command" }), make("pre", { textContent: job.command, tabIndex: 0 }));
    const root = make("li", { class: "job" }, make("div", { class: "head" }, title, links), from,
      make("div", { class: "line" }, state, bar, detail), error, newest,
      make("div", { class: "buttons" }, ...buttons.map(({ element }) => element), priority, command));
    return { root, state, detail, bar, error, newest, links, buttons, priority, linked: "", newestShown: null, level: job.priority };
  }

  fill(card, job) {
    card.root.dataset.state = job.state;
    card.state.textContent = WORDS[job.state];
    card.error.textContent = job.error ?? "";
    const isActive = job.state === "running" || job.state === "pausing";
    const share = shareOf(job);
    card.bar.hidden = !(isActive || (job.state === "paused" && share !== null));
    if (share === null) card.bar.removeAttribute("value");
    else card.bar.value = share;
    card.detail.textContent = detailOf(job);
    for (const { element, isFor } of card.buttons) element.hidden = !isFor(job);
    card.priority.hidden = !["waiting", "paused"].includes(job.state);
    card.level = job.priority;
    if (document.activeElement !== card.priority) card.priority.value = String(job.priority);
    this.link(card, job);
    this.showNewest(card, job, isActive);
  }

  link(card, job) {
    const linked = `${job.has_output}${job.has_page}`;
    if (card.linked === linked) return;
    card.linked = linked;
    const links = [];
    if (job.has_page) links.push(make("a", { href: `/jobs/${job.id}/page`, target: "_blank", rel: "noopener", textContent: job.kind === "try" ? "Open comparison" : "Report" }));
    if (job.has_output && job.kind !== "try") {
      if (/\.(mp4|png)$/i.test(job.output)) links.push(make("button", { type: "button", textContent: job.kind === "still" ? "Look at it" : "Play", onclick: () => this.onPlay(job) }));
      links.push(make("a", { href: `/jobs/${job.id}/output`, download: "", textContent: "Save" }));
    }
    card.links.replaceChildren(...links);
  }

  showNewest(card, job, isActive) {
    if (job.kind !== "upscale" || !isActive) { card.newest.hidden = true; return; }
    if (job.newest === null || job.newest === card.newestShown) return;
    card.newestShown = job.newest;
    const next = new Image();
    next.addEventListener("load", () => { card.newest.src = next.src; card.newest.hidden = false; });
    next.src = `/api/jobs/${job.id}/newest.png?${job.newest}`;
  }

  async act(id, action) {
    try { this.update(await post(`/api/jobs/${id}/${action}`)); } catch (error) { say(error.message); }
  }

  async prioritise(id, goal) {
    const card = this.cards.get(id);
    for (let step = Math.abs(goal - card.level); step > 0; step -= 1) await this.act(id, goal > card.level ? "raise" : "lower");
  }
}

function shareOf({ progress }) {
  if (!progress) return null;
  if (progress.event === "step") return progress.share;
  return progress.frames_total ? progress.frames_done / progress.frames_total : null;
}

function detailOf(job) {
  const { progress, state } = job;
  if (state === "done") return job.seconds ? `in ${clock(job.seconds)}` : "";
  if (!progress) return state === "running" ? "starting" : "";
  if (progress.event === "step") return progress.what;
  const about = progress.total_is_exact ? "" : "about ";
  const parts = [progress.frames_total ? `${progress.frames_done} of ${about}${progress.frames_total} frames` : `${progress.frames_done} frames`];
  if (state === "running") {
    if (progress.stage !== "restoring") parts.push(progress.stage);
    else {
      if (progress.fps) parts.push(progress.fps >= 1 ? `${progress.fps.toFixed(1)} fps` : `${(1 / progress.fps).toFixed(1)} s/frame`);
      if (progress.eta_seconds !== null) parts.push(`${about}${clock(progress.eta_seconds)} left`);
    }
    if (progress.frames_reused) parts.push(`${progress.frames_reused} found done`);
  }
  return parts.join(" · ");
}
