// A canvas: what D says of a drawing, what is like it in the data, and what G makes of it.

import { button, captioned, h, latest, picture, post, stream, tile } from "./api.js";

const WIDE = 280; // pixels of the canvas on the screen, about
const EMPTY = "Draw something, white on black.";

export class Draw {
  constructor(source, explore) {
    this.source = source;
    this.canvas = h("canvas", { className: "paper", ariaLabel: "drawing" });
    this.pen = h("input", { type: "range", min: 5, max: 40, value: 14, ariaLabel: "width of the pen" });
    this.color = h("input", { type: "color", value: "#ffffff", ariaLabel: "colour" });
    this.colors = h("label", { hidden: true }, "colour ", this.color);
    this.verdict = h("p", { className: "verdict", role: "log" }, EMPTY);
    this.meter = h("meter", { min: 0, max: 1, value: 0, ariaLabel: "how real, says D" });
    this.near = h("div", { className: "strip" });
    this.found = h("div", { className: "big" });
    this.way = h("div", { className: "strip" });
    this.use = button("Explore it", () => explore(this.latent), { disabled: true });
    this.find = button("Find it in G", () => this.project(), { title: "the image of G that is nearest to yours" });
    const pen = h("label", {}, "pen ", this.pen);
    const clear = button("Clear", () => this.clear());
    const bar = h("div", { className: "bar" }, pen, this.colors, clear, this.find, this.use);
    const left = h("section", {}, this.canvas, this.meter, this.verdict);
    const like = [h("h2", {}, "nearest training images"), this.near];
    const made = [h("h2", {}, "the nearest that G can make"), this.found, this.way];
    const right = h("section", {}, ...like, ...made);
    this.element = h("div", {}, bar, h("div", { className: "columns" }, left, right));
    this.canvas.onpointerdown = (event) => this.begin(event);
    this.canvas.onpointermove = (event) => this.move(event);
    this.canvas.onpointerup = this.canvas.onpointercancel = () => this.end();
    this.judge = latest((near) => this.score(near));
  }

  runs() {
    if (!this.paper) this.clear();
  }

  clear() {
    const [height, width] = this.source.about?.size || [28, 28];
    const zoom = Math.max(1, Math.round(WIDE / Math.max(height, width)));
    Object.assign(this.canvas, { width: width * zoom, height: height * zoom });
    this.colors.hidden = this.source.about?.channels !== 3;
    this.paper = this.canvas.getContext("2d", { willReadFrequently: true });
    this.paper.fillRect(0, 0, this.canvas.width, this.canvas.height);
    for (const element of [this.near, this.found, this.way]) element.replaceChildren();
    this.meter.value = 0;
    this.use.disabled = this.find.disabled = true;
    this.verdict.textContent = EMPTY;
    this.sheet = this.search = {}; // answers that are about another sheet come too late
  }

  begin(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.find.disabled = false;
    this.last = this.place(event);
    this.move(event);
  }

  place(event) {
    const scale = this.canvas.width / this.canvas.clientWidth;
    return [event.offsetX * scale, event.offsetY * scale];
  }

  move(event) {
    if (!this.last) return;
    const to = this.place(event);
    const style = this.colors.hidden ? "#fff" : this.color.value;
    const lineWidth = this.pen.value * (this.canvas.width / WIDE);
    Object.assign(this.paper, { lineWidth, lineCap: "round", strokeStyle: style });
    this.paper.beginPath();
    this.paper.moveTo(...this.last);
    this.paper.lineTo(...to);
    this.paper.stroke();
    this.last = to;
    this.judge(false);
  }

  end() {
    if (this.last) this.judge(true);
    this.last = null;
  }

  // The drawing at the size of the data: bytes, row by row.
  bytes() {
    const { size: [height, width], channels } = this.source.about;
    const small = h("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
    small.imageSmoothingQuality = "high";
    small.drawImage(this.canvas, 0, 0, width, height);
    const pixels = small.getImageData(0, 0, width, height).data;
    const length = height * width * channels;
    return Uint8Array.from({ length }, (_, i) => pixels[4 * Math.floor(i / channels) + (i % channels)]);
  }

  say({ scores, classes, names }, what) {
    const name = classes ? `, and the classifier: ${names[classes[0]]}` : "";
    return `${what}: ${(100 * scores[0]).toFixed(1)} % real, says D${name}`;
  }

  async score(near) {
    const sheet = this.sheet;
    if (!this.source.about) return; // the networks are not known yet
    const answer = await post("score", { ...this.source.query, ...(near && { near }) }, this.bytes());
    if (sheet !== this.sheet) return;
    this.meter.value = answer.scores[0];
    this.verdict.textContent = this.say(answer, "Your drawing");
    if (!near) return;
    if (!answer.nearest) return void (this.near.textContent = "The training images are not at hand, or not read yet.");
    const sprite = await picture(answer.nearest);
    const figures = answer.distances.map((distance, i) => {
      return captioned(tile(sprite, i, answer.distances.length, 56), distance.toFixed(3));
    });
    this.near.replaceChildren(...figures);
  }

  // The way is shown as it goes: a line of JSON each few steps.
  async project() {
    const search = (this.search = {});
    this.way.replaceChildren();
    this.found.replaceChildren("Searching …");
    const answer = stream("project", this.source.query, this.bytes());
    answer.catch(() => this.found.replaceChildren());
    const reader = (await answer).getReader();
    const decoder = new TextDecoder();
    let text = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      text += decoder.decode(part.value, { stream: true });
      const lines = text.split("\n");
      text = lines.pop();
      for (const line of lines) {
        if (this.search !== search) return void reader.cancel();
        await this.step(JSON.parse(line), search);
      }
    }
  }

  async step(answer, search) {
    const sprite = await picture(answer.png);
    if (this.search !== search) return;
    const said = `step ${answer.step} of ${answer.of}: ${answer.distance.toFixed(3)} away. ${this.say(answer, "It")}`;
    this.found.replaceChildren(captioned(tile(sprite, 0, 1, 168), said));
    if (answer.step % 12 === 0) this.way.append(tile(sprite, 0, 1, 56));
    this.latent = answer.latent;
    this.use.disabled = false;
  }
}
