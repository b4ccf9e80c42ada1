// The image: a frame of the video with the region on it, or a frame before and after. Zoom, pan, divider, region.

import { at } from "./dom.js";

const SNAP = 8; // pixels of the video: the grid that parts of frames are restored on
const HANDLE = 9; // pixels of the screen
const MOST_ZOOM = 32;

export class Stage extends EventTarget {
  constructor() {
    super();
    this.box = at("stage");
    this.canvas = at("canvas");
    this.context = this.canvas.getContext("2d");
    this.mode = "input";
    this.frame = null; // { image, width, height } in pixels of the video, upright
    this.preview = null; // { before, after, width, height, isPart }
    this.aspect = 1;
    this.region = null; // { x, y, width, height } in pixels of the video, upright
    this.outline = null; // points of a followed region
    this.divider = 0.5;
    this.isPixelated = false;
    this.reset();
    this.gesture = null;
    new ResizeObserver(() => this.draw()).observe(this.box);
    this.box.addEventListener("pointerdown", (event) => this.press(event));
    this.box.addEventListener("pointermove", (event) => this.move(event));
    this.box.addEventListener("pointerup", (event) => this.release(event));
    this.box.addEventListener("pointercancel", (event) => this.release(event));
    this.box.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.box.addEventListener("dblclick", () => { if (this.mode !== "input") this.fit(); });
  }

  // What is shown, in its own pixels; pixels that are not square are stretched.
  get content() {
    const shown = this.mode === "input" ? this.frame : this.preview;
    return shown && { width: shown.width * this.aspect, height: shown.height };
  }

  reset() { this.zoom = 1; this.center = [0.5, 0.5]; }

  fit() { this.reset(); this.draw(); }

  // Pixels of the screen for one of the content at zoom 1.
  get base() {
    const content = this.content;
    const [width, height] = [this.box.clientWidth, this.box.clientHeight];
    return Math.min(width / content.width, height / content.height);
  }

  get scale() { return this.base * this.zoom; }

  setZoom(zoom, around) {
    if (!this.content) return;
    const before = around && this.toContent(...around);
    this.zoom = Math.min(Math.max(zoom, 1), Math.max(1, MOST_ZOOM / this.base));
    if (before) {
      const after = this.toContent(...around);
      this.center[0] += (before[0] - after[0]) / this.content.width;
      this.center[1] += (before[1] - after[1]) / this.content.height;
    }
    this.draw();
  }

  oneToOne() { this.setZoom(1 / this.base / (window.devicePixelRatio || 1)); }

  get origin() {
    const content = this.content;
    return [
      this.box.clientWidth / 2 - this.center[0] * content.width * this.scale,
      this.box.clientHeight / 2 - this.center[1] * content.height * this.scale,
    ];
  }

  toContent(x, y) {
    const origin = this.origin;
    return [(x - origin[0]) / this.scale, (y - origin[1]) / this.scale];
  }

  clampCenter() {
    const content = this.content;
    for (const [axis, size, room] of [[0, content.width, this.box.clientWidth], [1, content.height, this.box.clientHeight]]) {
      const half = Math.min(0.5, room / 2 / (size * this.scale));
      this.center[axis] = Math.min(Math.max(this.center[axis], half), 1 - half);
    }
  }

  setMode(mode) {
    const wasPart = this.mode !== "input" && this.preview?.isPart;
    const isPart = mode !== "input" && this.preview?.isPart;
    if (wasPart !== isPart) this.reset();
    this.mode = mode;
    this.draw();
  }

  draw() {
    const context = this.context, ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(this.box.clientWidth * ratio), Math.round(this.box.clientHeight * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!this.content || !width || !height) return;
    this.clampCenter();
    const origin = this.origin;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.imageSmoothingEnabled = !(this.isPixelated || this.scale * ratio >= 3);
    context.imageSmoothingQuality = "high";
    const place = [origin[0], origin[1], this.content.width * this.scale, this.content.height * this.scale];
    if (this.mode === "input") {
      context.drawImage(this.frame.image, ...place);
      this.drawOutline(origin);
      this.drawRegion(origin);
    } else if (this.mode === "compare") this.drawCompared(place);
    else context.drawImage(this.mode === "after" ? this.preview.after : this.difference(), ...place);
    this.dispatchEvent(new Event("drawn"));
  }

  drawCompared(place) {
    const context = this.context, split = this.splitAt(place);
    for (const [image, left, right] of [[this.preview.before, 0, split], [this.preview.after, split, this.box.clientWidth]]) {
      context.save();
      context.beginPath();
      context.rect(left, 0, right - left, this.box.clientHeight);
      context.clip();
      context.drawImage(image, ...place);
      context.restore();
    }
    context.fillStyle = "rgb(0 0 0 / .45)";
    context.fillRect(split - 2, 0, 4, this.box.clientHeight);
    context.fillStyle = "#fff";
    context.fillRect(split - 1, 0, 2, this.box.clientHeight);
    context.beginPath();
    context.arc(split, this.box.clientHeight / 2, 12, 0, 7);
    context.fill();
    context.fillStyle = "#222";
    for (const side of [-1, 1]) {
      context.beginPath();
      context.moveTo(split + side * 8, this.box.clientHeight / 2);
      context.lineTo(split + side * 3, this.box.clientHeight / 2 - 5);
      context.lineTo(split + side * 3, this.box.clientHeight / 2 + 5);
      context.fill();
    }
  }

  splitAt(place) {
    const left = Math.max(0, place[0]), right = Math.min(this.box.clientWidth, place[0] + place[2]);
    return left + (right - left) * this.divider;
  }

  // Four times the difference of both, made once for a preview.
  difference() {
    if (this.preview.difference) return this.preview.difference;
    const canvas = document.createElement("canvas");
    canvas.width = this.preview.width;
    canvas.height = this.preview.height;
    const context = canvas.getContext("2d");
    context.drawImage(this.preview.before, 0, 0);
    context.globalCompositeOperation = "difference";
    context.drawImage(this.preview.after, 0, 0);
    context.globalCompositeOperation = "lighter";
    for (let turn = 0; turn < 2; turn += 1) context.drawImage(canvas, 0, 0); // doubles it
    this.preview.difference = canvas;
    return canvas;
  }

  onScreen(origin, x, y) { return [origin[0] + x * this.aspect * this.scale, origin[1] + y * this.scale]; }

  drawRegion(origin) {
    if (!this.region) return;
    const context = this.context, { x, y, width, height } = this.region;
    const [left, top] = this.onScreen(origin, x, y), [right, bottom] = this.onScreen(origin, x + width, y + height);
    context.fillStyle = "rgb(0 0 0 / .38)";
    context.beginPath();
    context.rect(0, 0, this.box.clientWidth, this.box.clientHeight);
    context.rect(left, top, right - left, bottom - top);
    context.fill("evenodd");
    context.lineWidth = 3;
    context.strokeStyle = "rgb(0 0 0 / .6)";
    context.strokeRect(left, top, right - left, bottom - top);
    context.lineWidth = 1.5;
    context.strokeStyle = "#fff";
    context.strokeRect(left, top, right - left, bottom - top);
    context.fillStyle = "#fff";
    for (const [hx, hy] of this.handles(left, top, right, bottom)) context.fillRect(hx - 3.5, hy - 3.5, 7, 7);
  }

  handles(left, top, right, bottom) {
    const [middleX, middleY] = [(left + right) / 2, (top + bottom) / 2];
    return [[left, top], [middleX, top], [right, top], [right, middleY], [right, bottom], [middleX, bottom], [left, bottom], [left, middleY]];
  }

  drawOutline(origin) {
    if (!this.outline) return;
    const context = this.context;
    context.beginPath();
    for (const [x, y] of this.outline) context.lineTo(...this.onScreen(origin, x, y));
    context.closePath();
    context.lineWidth = 4;
    context.strokeStyle = "rgb(0 0 0 / .6)";
    context.stroke();
    context.lineWidth = 2;
    context.strokeStyle = "#ffd24a";
    context.stroke();
  }

  // Gestures.

  local(event) {
    const bounds = this.box.getBoundingClientRect();
    return [event.clientX - bounds.left, event.clientY - bounds.top];
  }

  inVideo(x, y) {
    const [cx, cy] = this.toContent(x, y);
    return [cx / this.aspect, cy];
  }

  press(event) {
    if (!this.content || event.button > 1) return;
    const place = this.local(event);
    this.box.setPointerCapture(event.pointerId);
    if (event.button === 1 || event.shiftKey) this.gesture = { kind: "pan", last: place };
    else if (this.mode === "compare" && this.nearDivider(place)) this.gesture = { kind: "divide" };
    else if (this.mode !== "input") this.gesture = { kind: "pan", last: place };
    else this.gesture = this.regionGesture(place);
    if (event.button === 1) event.preventDefault(); // which would scroll
  }

  nearDivider([x]) {
    const origin = this.origin;
    const split = this.splitAt([origin[0], origin[1], this.content.width * this.scale]);
    return Math.abs(x - split) < 16 || this.zoom === 1;
  }

  regionGesture(place) {
    const start = this.inVideo(...place);
    if (this.region) {
      const origin = this.origin, { x, y, width, height } = this.region;
      const corners = [...this.onScreen(origin, x, y), ...this.onScreen(origin, x + width, y + height)];
      const handle = this.handles(...corners).findIndex(([hx, hy]) => Math.hypot(hx - place[0], hy - place[1]) <= HANDLE);
      if (handle >= 0) return { kind: "resize", handle, before: { ...this.region } };
      const inside = start[0] >= x && start[0] < x + width && start[1] >= y && start[1] < y + height;
      if (inside) return { kind: "shift", start, before: { ...this.region } };
    }
    return { kind: "draw", start, place };
  }

  move(event) {
    const place = this.local(event), gesture = this.gesture;
    if (!gesture || !this.content) { this.hover(place); return; }
    if (gesture.kind === "pan") {
      this.center[0] -= (place[0] - gesture.last[0]) / (this.content.width * this.scale);
      this.center[1] -= (place[1] - gesture.last[1]) / (this.content.height * this.scale);
      gesture.last = place;
      this.draw();
    } else if (gesture.kind === "divide") this.divideAt(place[0]);
    else this.changeRegion(gesture, this.inVideo(...place), event.altKey ? 1 : SNAP, place);
  }

  hover(place) {
    if (!this.content) return;
    let cursor = "crosshair";
    if (this.mode === "compare") cursor = this.nearDivider(place) ? "ew-resize" : "grab";
    else if (this.mode !== "input") cursor = "grab";
    else {
      const gesture = this.regionGesture(place);
      const sides = ["nwse-resize", "ns-resize", "nesw-resize", "ew-resize"];
      if (gesture.kind === "resize") cursor = sides[gesture.handle % 4];
      else if (gesture.kind === "shift") cursor = "move";
    }
    this.box.style.cursor = cursor;
  }

  divideAt(x) {
    const origin = this.origin;
    const left = Math.max(0, origin[0]), right = Math.min(this.box.clientWidth, origin[0] + this.content.width * this.scale);
    this.divider = Math.min(Math.max((x - left) / (right - left), 0), 1);
    this.draw();
    this.dispatchEvent(new Event("divided"));
  }

  changeRegion(gesture, [x, y], grid, place) {
    const { width: fullWidth, height: fullHeight } = this.frame;
    const snap = (value, full) => {
      const near = Math.min(Math.max(Math.round(value / grid) * grid, 0), full);
      return full - value < grid / 2 ? full : near;
    };
    if (gesture.kind === "draw") {
      if (Math.hypot(place[0] - gesture.place[0], place[1] - gesture.place[1]) < 4) return;
      const [x1, x2] = [snap(gesture.start[0], fullWidth), snap(x, fullWidth)].sort((a, b) => a - b);
      const [y1, y2] = [snap(gesture.start[1], fullHeight), snap(y, fullHeight)].sort((a, b) => a - b);
      if (x2 > x1 && y2 > y1) this.setRegion({ x: x1, y: y1, width: x2 - x1, height: y2 - y1 });
    } else if (gesture.kind === "shift") {
      const { before, start } = gesture;
      const left = Math.min(snap(before.x + x - start[0], fullWidth), fullWidth - before.width);
      const top = Math.min(snap(before.y + y - start[1], fullHeight), fullHeight - before.height);
      this.setRegion({ ...before, x: left, y: top });
    } else {
      const { before, handle } = gesture;
      let [left, top, right, bottom] = [before.x, before.y, before.x + before.width, before.y + before.height];
      if ([0, 6, 7].includes(handle)) left = Math.min(snap(x, fullWidth), right - 1);
      if ([2, 3, 4].includes(handle)) right = Math.max(snap(x, fullWidth), left + 1);
      if ([0, 1, 2].includes(handle)) top = Math.min(snap(y, fullHeight), bottom - 1);
      if ([4, 5, 6].includes(handle)) bottom = Math.max(snap(y, fullHeight), top + 1);
      this.setRegion({ x: left, y: top, width: right - left, height: bottom - top });
    }
  }

  setRegion(region) {
    this.region = region;
    this.draw();
    this.dispatchEvent(new Event("region"));
  }

  release(event) {
    if (!this.gesture) return;
    this.gesture = null;
    this.dispatchEvent(new Event("settled"));
    this.hover(this.local(event));
  }

  wheel(event) {
    if (!this.content) return;
    event.preventDefault();
    this.setZoom(this.zoom * 1.2 ** (-event.deltaY / 100), this.local(event));
  }
}
