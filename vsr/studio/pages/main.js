// The studio's page: open a video, look at its frames, choose, preview, queue.

import { at, bytes, make, rows, say } from "./dom.js";
import { get, loadImage, post, Refusal, upload, whenLost } from "./api.js";
import { Queue } from "./queue.js";
import { Settings } from "./settings.js";
import { Stage } from "./stage.js";
import { Timeline } from "./timeline.js";

const POLL = 1000; // milliseconds
const about = await get("/api/about");
at("folder").textContent = about.folder;
at("upload-row").hidden = !about.upload_bytes;
whenLost((isLost) => { at("lost").hidden = !isLost; });

const stage = new Stage();
const settings = new Settings(about);
const timeline = new Timeline((frame) => seek(frame));
const queue = new Queue({ onPlay: play });
let video = null, frame = 0, goal = 0, requested = null, isLoading = false, record = null;

// Files.

async function list(folder, target) {
  const { entries, left_out: leftOut } = await get(`/api/files?in=${encodeURIComponent(folder)}`);
  const up = folder.includes("/") ? folder.slice(0, folder.lastIndexOf("/")) : "";
  const button = (text, detail, onclick) => make("button", { type: "button", onclick }, make("span", { textContent: text }), make("span", { class: "soft", textContent: detail }));
  const buttons = entries.map((entry) => {
    const name = entry.name.slice(entry.name.lastIndexOf("/") + 1);
    if (entry.kind === "folder") return button(`${name}/`, "folder", () => list(entry.name, target));
    return button(name, entry.kind === "video" ? bytes(entry.bytes) : "images", () => open(entry.name, entry.kind === "images" ? at("rate").value.trim() : null));
  });
  if (folder) buttons.unshift(button("↑", "up", () => list(up, target)));
  target.replaceChildren(...buttons, ...(entries.length ? [] : [make("p", { class: "soft", textContent: "No videos here." })]));
  if (leftOut) target.append(make("p", { class: "soft", textContent: `${leftOut} more are not listed; move some into folders.` }));
  at("picker-folder").textContent = folder ? `${about.folder}/${folder}` : about.folder;
}

at("open").addEventListener("click", async () => {
  at("picker-refusal").textContent = "";
  at("picker").showModal();
  await list(video?.folder ?? "", at("picker-files"));
});
at("picker-close").addEventListener("click", () => at("picker").close());
at("upload").addEventListener("change", async () => {
  const [file] = at("upload").files;
  if (!file) return;
  const bar = at("upload-progress");
  bar.hidden = false;
  try {
    await open(await upload(file, (share) => { bar.value = share; }));
  } catch (error) {
    at("picker-refusal").textContent = error.message;
  } finally {
    bar.hidden = true;
    at("upload").value = "";
  }
});

async function open(name, fps = null) {
  try {
    video = { ...(await post("/api/open", { name, fps })), fps };
  } catch (error) {
    at(at("picker").open ? "picker-refusal" : "file").textContent = error.message;
    return;
  }
  sessionStorage.setItem("video", JSON.stringify([name, fps]));
  at("picker").close();
  at("welcome").hidden = true;
  at("work").hidden = at("side").hidden = false;
  at("file").textContent = name;
  document.body.classList.add("at-work");
  rows(at("facts"), video.rows);
  Object.assign(stage, { frame: null, preview: null, region: null, outline: null, aspect: video.aspect });
  at("stage").style.aspectRatio = `${video.shown.width * video.aspect} / ${video.shown.height}`;
  stage.reset();
  record = null;
  enableModes(false);
  settings.open(video);
  showRegion();
  timeline.open(video);
  indexed(video.index);
  await seek(0);
  say(`${name} is open, ${video.index.known} frames are read so far`);
  at("stage").focus({ focusVisible: false });
}

// Frames.

function indexed(index) {
  video.index = index;
  timeline.update(index);
  at("scrub").max = at("frame").max = String(Math.max(0, index.known - 1));
  const expected = video.frames ? ` of about ${video.frames}` : "";
  at("reading").textContent = index.error ?? (index.complete ? `${index.known} frames, ${index.cuts.length} cuts` : `reading: ${index.known}${expected} frames`);
  if (index.complete && index.damage.length) at("reading").textContent += ` · ${index.damage.join(", ")}`;
}

async function seek(number) {
  if (!video?.index.known) return;
  goal = requested = Math.min(Math.max(number, 0), video.index.known - 1);
  at("scrub").value = at("frame").value = String(requested);
  timeline.show(requested);
  if (stage.mode !== "input") setMode("input");
  if (isLoading) return;
  isLoading = true;
  try {
    while (requested !== null) {
      const [number, source] = [requested, video];
      requested = null;
      const [image, facts] = await Promise.all([
        loadImage(`/api/videos/${source.id}/frames/${number}.jpg`), get(`/api/videos/${source.id}/where?at=${number}`),
      ]);
      if (source !== video) continue;
      frame = settings.frame = number;
      stage.frame = { image, ...video.shown };
      at("time").value = facts.time;
      at("shot").textContent = `shot: frames ${facts.shot[0]} to ${facts.shot[1] - 1}${facts.fields === "progressive" ? "" : " · interlaced"}`;
      at("scrub").setAttribute("aria-valuetext", `frame ${number}, ${facts.time}`);
      at("stage").setAttribute("aria-label", `Frame ${number} of ${video.name}, at ${facts.time}`);
      stage.outline = outlineOf(number);
      const seen = record?.frames.find((one) => one.ordinal === number);
      if (record) at("shot").textContent += ` · ${!seen ? "not looked at for the still" : seen.used ? "used in the still" : `not used in the still: ${seen.reason}`}`;
      stage.draw();
      if (settings.kind === "still") settings.changed();
    }
  } catch (error) {
    if (error instanceof Refusal && error.status === 422) await reopen();
    else at("reading").textContent = error.message;
  } finally {
    isLoading = false;
  }
}

async function reopen() { if (video) await open(video.name, video.fps); }

at("scrub").addEventListener("input", () => seek(Number(at("scrub").value)));
at("frame").addEventListener("change", () => seek(Number(at("frame").value)));
at("time").addEventListener("change", async () => {
  const text = at("time").value.trim();
  try {
    const facts = await get(`/api/videos/${video.id}/where?at=${encodeURIComponent(/[:.s]/.test(text) ? text : `${text}s`)}`);
    await seek(facts.frame);
  } catch (error) { at("reading").textContent = error.message; }
});
at("step-back").addEventListener("click", () => seek(goal - 1));
at("step-on").addEventListener("click", () => seek(goal + 1));
at("cut-back").addEventListener("click", () => seek(Math.max(0, ...video.index.cuts.filter((cut) => cut < frame))));
at("cut-on").addEventListener("click", () => seek(video.index.cuts.find((cut) => cut > frame) ?? video.index.known - 1));
at("start-here").addEventListener("click", () => { at("start").value = String(frame); settings.changed(); });
at("end-here").addEventListener("click", () => { at("end").value = String(frame + 1); settings.changed(); });

at("stage").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const actions = {
    ArrowLeft: () => seek(goal - (event.shiftKey ? 10 : 1)), ArrowRight: () => seek(goal + (event.shiftKey ? 10 : 1)),
    Home: () => seek(0), End: () => seek(video.index.known - 1), "+": () => stage.setZoom(stage.zoom * 1.25), "=": () => stage.setZoom(stage.zoom * 1.25),
    "-": () => stage.setZoom(stage.zoom / 1.25), 0: () => stage.fit(), 1: () => stage.oneToOne(), p: () => at("preview").click(),
    c: () => pick("compare"), a: () => pick("after"), d: () => pick("difference"), v: () => pick("input"),
  };
  if (!(event.key in actions)) return;
  actions[event.key]();
  event.preventDefault();
});

// View.

function enableModes(isPreviewed) {
  for (const input of document.querySelectorAll("input[name=mode]")) input.disabled = input.value !== "input" && !isPreviewed;
  if (!isPreviewed) setMode("input");
}

function pick(mode) { if (!document.querySelector(`input[name=mode][value=${mode}]`).disabled) setMode(mode); }

function setMode(mode) {
  document.querySelector(`input[name=mode][value=${mode}]`).checked = true;
  stage.setMode(mode);
  at("divider-row").hidden = mode !== "compare";
  const tags = { compare: ["before: enlarged by bicubic", "after"], after: [null, "after"], difference: [null, "difference, 4 times as strong"], input: [null, null] }[mode];
  for (const [id, text] of [["tag-left", tags[0]], ["tag-right", tags[1]]]) { at(id).hidden = text === null; at(id).textContent = text ?? ""; }
  at("view-note").hidden = mode === "input";
  at("view-note").textContent = mode === "input" ? "" : stage.preview?.note ?? "";
}

for (const input of document.querySelectorAll("input[name=mode]")) input.addEventListener("change", () => setMode(input.value));
at("zoom-in").addEventListener("click", () => stage.setZoom(stage.zoom * 1.25));
at("zoom-out").addEventListener("click", () => stage.setZoom(stage.zoom / 1.25));
at("zoom-fit").addEventListener("click", () => stage.fit());
at("zoom-one").addEventListener("click", () => stage.oneToOne());
at("pixels").addEventListener("change", () => { stage.isPixelated = at("pixels").checked; stage.draw(); });
at("divider").addEventListener("input", () => { stage.divider = Number(at("divider").value) / 100; stage.draw(); });
stage.addEventListener("divided", () => { at("divider").value = String(100 * stage.divider); });
stage.addEventListener("drawn", () => { at("zoom").textContent = `${Math.round(100 * stage.scale * (window.devicePixelRatio || 1))} %`; });

// Region.

function showRegion() {
  const region = stage.region;
  for (const [id, key] of [["rx", "x"], ["ry", "y"], ["rw", "width"], ["rh", "height"]]) at(id).value = region ? String(region[key]) : "";
  at("region-clear").disabled = !region;
  at("region-hint").textContent = region ? (video.turns || video.mirrored ? `${settings.roi} as it is coded` : "") : "none: drag on the image";
  at("preview").textContent = region ? "Preview the region" : "Preview this frame";
}

stage.addEventListener("region", () => { settings.region = stage.region; showRegion(); });
stage.addEventListener("settled", () => settings.changed());
for (const id of ["rx", "ry", "rw", "rh"]) {
  at(id).addEventListener("change", () => {
    const { width, height } = video.shown, number = (field, usual) => (at(field).value === "" ? usual : Math.round(Number(at(field).value)));
    const x = Math.min(Math.max(number("rx", 0), 0), width - 1), y = Math.min(Math.max(number("ry", 0), 0), height - 1);
    stage.setRegion({ x, y, width: Math.min(Math.max(number("rw", width - x), 1), width - x), height: Math.min(Math.max(number("rh", height - y), 1), height - y) });
    settings.changed();
  });
}
at("region-clear").addEventListener("click", () => { stage.setRegion(null); settings.changed(); });

// Preview and queue.

let previews = 0;
at("preview").addEventListener("click", async () => {
  const number = previews += 1;
  at("stage-busy").hidden = false;
  at("stage-busy").textContent = "starting the preview";
  say("making a preview");
  try {
    const made = await post("/api/previews", { choice: settings.upscale, frame, roi: settings.roi });
    if (number !== previews) return;
    const [before, after] = await Promise.all(["before", "after"].map((side) => loadImage(`/api/previews/${made.id}/${side}.png`)));
    const note = made.whole ? "the samples of a run over the whole video" : settings.roi ? "this part alone, with a margin; a run sees whole frames" : "cuts may lie elsewhere in a run";
    stage.preview = { before, after, width: made.width, height: made.height, isPart: settings.roi !== null, note: `frame ${frame}, ${made.width}×${made.height}, ${made.seconds.toFixed(1)} s: ${note}` };
    enableModes(true);
    setMode("compare");
    at("refusal").textContent = "";
    say(`preview made in ${made.seconds.toFixed(1)} seconds`);
  } catch (error) {
    if (number === previews && error.status !== 409) at("refusal").textContent = error.message;
  } finally {
    if (number === previews) at("stage-busy").hidden = true;
  }
});

async function add(order) {
  try {
    const job = await post("/api/jobs", order);
    say(`${job.output} is in the queue`);
    at("output").value = at("still-output").value = ""; // the next one gets a name of its own
    settings.changed();
    await queue.refresh();
  } catch (error) { at("refusal").textContent = error.message; }
}
at("add").addEventListener("click", () => add(settings.order));
at("try").addEventListener("click", () => add({ kind: "try", choice: settings.trial(false) }));
at("try-own").addEventListener("click", () => add({ kind: "try", choice: settings.trial(true) }));

// Results.

async function play(job) {
  const isStill = job.kind === "still";
  at("player-title").textContent = job.output;
  at("player-video").hidden = isStill;
  at("player-images").replaceChildren();
  at("player-record").replaceChildren();
  const source = `/jobs/${job.id}/output?show`;
  if (isStill) {
    const found = await get(`/api/jobs/${job.id}/record`);
    at("player-images").replaceChildren(...(await stillImages(found, job, source)));
    describe(found, job);
  } else at("player-video").src = source;
  at("player").showModal();
}

// The region as one frame shows it, the still, and its maps.
async function stillImages(found, job, source) {
  const shown = [[source, "the still", `The still ${job.output}`], ...Object.entries(found.output.maps).map(([what, meaning]) => [`/jobs/${job.id}/maps/${what}.png`, `${what}: ${meaning}`, `Map of ${what}`])];
  const figures = shown.map(([src, caption, alt]) => make("figure", {}, make("img", { src, alt }), make("figcaption", { textContent: caption })));
  try {
    const { id, turns, mirrored } = await post("/api/open", { name: job.input, fps: video?.name === job.input ? video.fps : null });
    if (turns || mirrored) return figures; // regions are those of the image as it is coded
    const frame = await loadImage(`/api/videos/${id}/frames/${found.reference.ordinal}.png`);
    const [x, y, width, height] = found.request.roi.split(",").map(Number);
    const canvas = make("canvas", { width: found.output.width, height: found.output.height, role: "img", "aria-label": "The region in one frame, enlarged" });
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(frame, x, y, width, height, 0, 0, canvas.width, canvas.height);
    figures.unshift(make("figure", {}, canvas, make("figcaption", { textContent: `frame ${found.reference.ordinal}, enlarged` })));
  } catch { /* the video has gone, or is not read so far: the still is shown alone */ }
  return figures;
}

function describe(found, job) {
  const used = found.frames.filter((one) => one.used).length;
  const list = make("dl", { class: "plan" });
  rows(list, [
    ["shows", `frame ${found.reference.ordinal} at ${found.reference.time}`],
    ["frames", `${used} of ${found.frames.length} used, ${found.found.frames_a_pixel.toFixed(1)} a pixel`],
    ["motion", found.method.motion],
    ["detail", `recorded for about ${found.found.supported_scale.toFixed(1)}×`],
    ...found.notes.map((note) => ["note", note]),
  ]);
  const warnings = (found.warnings ?? []).map((text) => make("p", { class: "warning", textContent: `Warning: ${text}` }));
  const compare = make("button", { type: "button", textContent: "Compare with its frame", onclick: async () => {
    const [before, after] = [at("player-images").querySelector("canvas"), await loadImage(`/jobs/${job.id}/output?show`)];
    at("player").close();
    if (video?.name !== job.input) await open(job.input);
    await seek(found.reference.ordinal);
    const { width, height } = found.output;
    stage.preview = { before, after, width, height, isPart: true, note: `${job.output}: frame ${found.reference.ordinal} enlarged, and the still` };
    enableModes(true);
    setMode("compare");
  } });
  compare.hidden = !at("player-images").querySelector("canvas"); // the video has gone
  const table = make("table", {}, make("caption", { textContent: "Frames" }), make("thead", {}, make("tr", {}, ...["frame", "time", "used", "why not"].map((name) => make("th", { scope: "col", textContent: name })))),
    make("tbody", {}, ...found.frames.map((one) => make("tr", {}, ...[one.ordinal, one.time, one.used ? "yes" : "no", one.reason].map((text) => make("td", { textContent: String(text ?? "") }))))));
  const follow = make("button", { type: "button", textContent: "Show the followed region on the video", onclick: async () => {
    at("player").close();
    if (video?.name !== job.input) await open(job.input);
    record = found;
    stage.setRegion(null);
    await seek(found.reference.ordinal);
  } });
  at("player-record").replaceChildren(...warnings, list, compare, follow, make("details", {}, make("summary", { textContent: "Every frame" }), table));
}

// Where the region of a still was seen in a frame: its corners, moved as the record says.
function outlineOf(number) {
  const seen = record?.frames.find((one) => one.ordinal === number);
  if (!seen?.used || video.turns || video.mirrored) return null;
  const [x, y, width, height] = record.request.roi.split(",").map(Number), matrix = seen.fitted?.matrix ?? seen.registration.matrix;
  return [[x, y], [x + width, y], [x + width, y + height], [x, y + height]].map(([cx, cy]) => {
    const [px, py, depth] = matrix.map((row) => row[0] * (cx - 0.5) + row[1] * (cy - 0.5) + row[2]);
    return [px / depth + 0.5, py / depth + 0.5];
  });
}

for (const id of ["player-close"]) at(id).addEventListener("click", () => at("player").close());
at("player").addEventListener("close", () => { at("player-video").removeAttribute("src"); at("player-video").load(); });

// Round.

async function poll() {
  try {
    await queue.refresh();
    at("stage-busy").textContent = queue.preview || at("stage-busy").textContent;
    if (video && !video.index.complete) {
      const source = video, index = await get(`/api/videos/${source.id}`);
      if (source === video) indexed(index);
    }
  } catch { /* the banner says so, or the next round does better */ }
  setTimeout(poll, POLL);
}

await list("", at("welcome-files"));
const last = sessionStorage.getItem("video");
if (last) await open(...JSON.parse(last));
poll();
