// Where in the video we are: small images, cuts, and what is not read yet. The range input below it does the same.

import { at } from "./dom.js";
import { loadImage } from "./api.js";

export class Timeline {
  constructor(onSeek) {
    this.canvas = at("strip");
    this.images = new Map();
    this.index = null;
    this.video = null;
    this.frame = 0;
    const seek = (event) => {
      if (!this.index?.known) return;
      const bounds = this.canvas.getBoundingClientRect();
      const share = Math.min(Math.max((event.clientX - bounds.left) / bounds.width, 0), 1);
      onSeek(Math.min(Math.floor(share * this.total), this.index.known - 1));
    };
    this.canvas.addEventListener("pointerdown", (event) => { this.canvas.setPointerCapture(event.pointerId); seek(event); });
    this.canvas.addEventListener("pointermove", (event) => { if (event.buttons) seek(event); });
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  open(video) {
    this.video = video;
    this.images.clear();
    this.update(video.index);
  }

  get total() {
    if (this.index.complete) return Math.max(1, this.index.known);
    return Math.max(1, this.index.known, this.video.frames);
  }

  update(index) {
    this.index = index;
    this.draw();
  }

  show(frame) {
    this.frame = frame;
    this.draw();
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    if (!this.index || !width) return;
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const style = getComputedStyle(this.canvas);
    const each = Math.max(16, height * this.video.shown.width * this.video.aspect / this.video.shown.height);
    const slots = Math.max(1, Math.ceil(width / each));
    for (let slot = 0; slot < slots; slot += 1) {
      const middle = Math.min((slot + 0.5) * each / width * this.total, this.total - 1);  // of the last one, its part that is seen
      const thumb = this.nearest(middle);
      if (middle >= this.index.known || thumb === null) continue;
      const image = this.load(thumb);
      if (image) context.drawImage(image, slot * each, 0, each, height);
    }
    const known = this.index.known / this.total * width;
    context.fillStyle = style.getPropertyValue("--panel");
    context.fillRect(known, 0, width - known, height);
    context.fillStyle = style.getPropertyValue("--cut");
    for (const cut of this.index.cuts) context.fillRect(Math.round(cut / this.total * width) - 1, 0, 2, height);
    const here = (this.frame + 0.5) / this.total * width;
    context.fillStyle = "rgb(0 0 0 / .6)";
    context.fillRect(here - 2, 0, 4, height);
    context.fillStyle = "#fff";
    context.fillRect(here - 1, 0, 2, height);
  }

  nearest(frame) {
    let best = null;
    for (const one of this.index.thumbnails) if (best === null || Math.abs(one - frame) < Math.abs(best - frame)) best = one;
    return best;
  }

  load(frame) {
    const known = this.images.get(frame);
    if (known !== undefined) return known;
    this.images.set(frame, null);
    loadImage(`/api/videos/${this.video.id}/thumbnails/${frame}.jpg`).then(
      (image) => { this.images.set(frame, image); this.draw(); },
      () => this.images.delete(frame),
    );
    return null;
  }
}
