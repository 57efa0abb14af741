// Every step of every run: one slider for all, curves with a cursor, the life of a latent.

import { blob, button, captioned, choice, get, h, latest, save, telling, tile } from "./api.js";

const ABREAST = 4; // runs side by side
const STRIP = 16; // pictures of a film strip
const PIXELS = 64e6; // of the grids that are kept
const CHARTS = [
  [["loss/d", "loss of D", "--d"], ["loss/g", "loss of G", "--g"]],
  [["quality/frechet", "Frechet distance", "--frechet"]],
];

export class Time {
  constructor() {
    this.known = null; // all runs, by name
    this.chosen = new Map(); // name: what /run says
    this.grids = new Map();
    this.stops = []; // the places that the slider has: steps, or shares of the run
    this.at = Infinity; // the present one; at the end it follows a run that grows
    this.list = h("div", { className: "list", role: "group", ariaLabel: "runs" });
    this.stage = h("div", { className: "stage" }, "Looking for runs …");
    this.strip = h("div", { className: "strip" });
    this.charts = h("div", { className: "charts" });
    const slid = () => this.go(this.stops[this.slider.value]);
    this.slider = h("input", { type: "range", min: 0, ariaLabel: "step", oninput: slid });
    this.label = h("output");
    this.label.setAttribute("role", "none");
    this.toggle = button("Play", () => this.play(!this.timer), { title: "space" });
    const speeds = [[4, "slow"], [12, "medium"], [30, "fast"]];
    this.speed = choice("speed", speeds, () => this.timer && this.play(true));
    this.speed.select.value = "12";
    this.by = choice("align by", [["step", "step"], ["share", "share of the run"]], () => this.realign());
    const named = telling(() => this.life([...this.chosen.values()][0], this.image.value - 1));
    this.image = h("input", { type: "number", min: 1, max: 64, ariaLabel: "image", onchange: named });
    const back = button("◀", () => this.move(-1), { title: "left arrow" });
    const on = button("▶", () => this.move(1), { title: "right arrow" });
    const bar = h("div", { className: "bar" }, this.toggle, back, this.slider, on, this.label);
    const files = [button("Save PNG", () => this.png()), button("Save GIF", () => this.gif())];
    const life = h("label", {}, "life of image ", this.image, h("small", {}, "or click on one"));
    const more = h("div", { className: "bar" }, this.speed.element, this.by.element, ...files, life);
    const look = h("div", { className: "look" }, this.stage, this.charts);
    const right = h("section", {}, bar, more, look, this.strip);
    this.element = h("div", { className: "columns" }, this.list, right);
    this.draw = latest(() => this.redraw());
  }

  key(event) {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (move && event.target !== this.slider) this.move(move);
    else if (event.key === " ") this.play(!this.timer);
    else return;
    event.preventDefault();
  }

  async runs({ runs }) {
    const before = this.known;
    this.known = new Map(runs.map((run) => [run.name, run]));
    for (const name of this.chosen.keys()) if (!this.known.has(name)) this.chosen.delete(name);
    if (!before?.size && runs.length) this.chosen.set(runs.at(-1).name, null);
    const names = (known) => [...(known?.keys() || [])].join("\n");
    if (names(before) !== names(this.known)) this.relist();
    if (!runs.length) this.stage.textContent = "There is no run here yet; this page looks again by itself.";
    await this.renew();
  }

  relist() {
    const entries = [...this.known.values()].map((run) => {
      const box = h("input", { type: "checkbox", checked: this.chosen.has(run.name) });
      box.onchange = telling(() => this.choose(run.name, box));
      return h("label", {}, box, run.name, h("small", {}, run.error || run.recipe));
    });
    this.list.replaceChildren(...entries);
  }

  async choose(name, box) {
    if (!box.checked) this.chosen.delete(name);
    else if (this.chosen.size < ABREAST) this.chosen.set(name, null);
    else box.checked = false;
    if (this.chosen.size === ABREAST && !box.checked) throw new Error(`At most ${ABREAST} runs side by side.`);
    await this.renew();
  }

  async renew() {
    for (const name of [...this.chosen.keys()]) {
      const about = await get("run", { run: name }).catch((error) => ({ error: error.message }));
      if (this.chosen.has(name)) this.chosen.set(name, { name, steps: [], curves: {}, ...about });
    }
    this.realign(true);
  }

  end(run) {
    return this.by.select.value === "share" ? run.steps.at(-1) || 1 : 1;
  }

  // The stops of the slider; what is shown stays, but for the end, which is followed.
  realign(same = false) {
    const atEnd = !this.stops.length || this.at >= this.stops.at(-1);
    const share = this.at / (this.stops.at(-1) || 1);
    const chosen = [...this.chosen.values()].filter(Boolean);
    const stops = chosen.flatMap((run) => run.steps.map((step) => step / this.end(run)));
    this.stops = [...new Set(stops)].sort((a, b) => a - b);
    if (atEnd) this.at = this.stops.at(-1) ?? Infinity;
    else if (!same) this.at = share * (this.stops.at(-1) || 1);
    this.slider.max = Math.max(0, this.stops.length - 1);
    this.go(this.at);
  }

  index() {
    return Math.max(0, this.stops.findLastIndex((stop) => stop <= this.at + 1e-9));
  }

  go(place) {
    this.at = place;
    this.slider.value = this.index();
    const text = this.by.select.value === "share" ? `${Math.round(100 * place)} %` : `step ${place}`;
    this.label.textContent = Number.isFinite(place) ? text : "";
    this.slider.setAttribute("aria-valuetext", this.label.textContent);
    this.draw();
  }

  move(by) {
    const next = this.stops[this.index() + by];
    if (next !== undefined) this.go(next);
    return next !== undefined;
  }

  play(wanted) {
    clearInterval(this.timer);
    this.timer = null;
    this.toggle.textContent = wanted ? "Pause" : "Play";
    if (!wanted) return;
    if (this.index() === this.stops.length - 1) this.go(this.stops[0]);
    const tick = () => !this.drawing && (this.element.isConnected && this.move(1) || this.play(false));
    this.timer = setInterval(tick, 1000 / this.speed.select.value);
  }

  stepOf(run) {
    const reached = run.steps.filter((step) => step <= this.at * this.end(run) + 1e-6);
    return reached.at(-1) ?? run.steps[0];
  }

  async grid(run, step) {
    const key = `${run.name} ${run.mark} ${step}`;
    if (!this.grids.has(key)) {
      const image = await createImageBitmap(await blob("grid", { run: run.name, step, mark: run.mark }));
      this.grids.set(key, image);
      const most = Math.max(8, PIXELS / (image.width * image.height));
      if (this.grids.size > most) this.grids.delete(this.grids.keys().next().value);
    }
    return this.grids.get(key);
  }

  async redraw() {
    const shown = [...this.chosen.values()].filter(Boolean).map((run) => [run, this.stepOf(run)]);
    const key = shown.map(([run, step]) => `${run.name} ${run.mark} ${step} ${run.error}`).join("\n");
    this.drawing = true;
    if (key !== this.seen) {
      const figures = await Promise.all(shown.map(([run, step]) => this.figure(run, step, shown.length)));
      if (figures.length) this.stage.replaceChildren(...figures);
      else if (this.known.size) this.stage.textContent = "Choose a run.";
      this.seen = key;
    }
    this.drawing = false;
    this.charts.replaceChildren(...CHARTS.map((lines) => this.chart(lines, shown.map(([run]) => run))));
  }

  async figure(run, step, count) {
    const said = (text) => h("figure", {}, h("figcaption", {}, `${run.name}: ${text}`));
    if (run.error || step === undefined) return said(run.error || "no grid yet");
    try {
      const grid = await this.grid(run, step);
      const canvas = h("canvas", { width: grid.width, height: grid.height, className: "grid" });
      canvas.title = "click on an image: its life as a strip";
      canvas.style.width = `${Math.min(grid.width * 2, count > 1 ? 360 : 520)}px`;
      canvas.getContext("2d").drawImage(grid, 0, 0);
      canvas.onclick = telling((event) => {
        const [x, y] = [event.offsetX / canvas.clientWidth, event.offsetY / canvas.clientHeight];
        const rows = grid.height / run.size[0];
        return this.life(run, Math.floor(8 * x) + 8 * Math.floor(rows * y));
      });
      const figure = said(`step ${step}`);
      figure.prepend(canvas);
      return figure;
    } catch (error) {
      return said(`the grid of step ${step} cannot be shown (${error.message})`);
    }
  }

  // One image at steps all over the run.
  async life(run, index) {
    const count = Math.min(STRIP, run.steps.length);
    const place = (_, i) => Math.round((i * (run.steps.length - 1)) / Math.max(1, count - 1));
    const figures = [];
    for (const step of Array.from({ length: count }, place).map((at) => run.steps[at])) {
      const image = tile(await this.grid(run, step), index, 64, 56);
      figures.push(captioned(image, String(step)));
    }
    this.image.value = index + 1;
    this.strip.replaceChildren(h("h2", {}, `image ${index + 1} of ${run.name}, step by step`), ...figures);
  }

  chart(kinds, runs) {
    const [width, height, left] = [460, 150, 44];
    const finite = (points = []) => points.filter((point) => Number.isFinite(point[1]));
    const line = (run, number) => ([tag, , color]) => ({ run, number, color, points: finite(run.curves[tag]) });
    const lines = runs.flatMap((run, number) => kinds.map(line(run, number)));
    const points = lines.flatMap((line) => line.points);
    const canvas = h("canvas", { width, height, role: "img", ariaLabel: kinds.map(([, title]) => title).join(", ") });
    const legend = kinds.map(([, title, color]) => h("span", { style: `color: var(${color})` }, title));
    const dashes = runs.length > 1 ? [h("small", {}, `solid: ${runs[0].name}; dashed: the others, in order`)] : [];
    const figure = h("figure", {}, h("figcaption", {}, ...legend, ...dashes), canvas);
    if (!points.length) return (figure.firstChild.append(h("small", {}, "no points yet")), figure);
    const pen = canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const top = Math.max(1e-9, ...points.map((point) => point[1])) * 1.05;
    const share = this.by.select.value === "share";
    const most = Math.max(1, ...runs.map((run) => run.steps.at(-1) || 0), ...points.map((point) => point[0]));
    const last = (run) => (share ? Math.max(1, run.steps.at(-1) || 0) : most);
    const x = (place) => left + (width - left - 4) * Math.min(1, place);
    const y = (value) => height - 16 - (height - 24) * (value / top);
    pen.fillStyle = style.getPropertyValue("--faint");
    pen.font = "11px sans-serif";
    for (const value of [0, top / 2, top]) pen.fillText(value.toPrecision(3), 2, y(value) + 4);
    const end = share ? "100 %" : `step ${most}`;
    pen.fillText(end, width - 4 - pen.measureText(end).width, height - 3);
    for (const line of lines) {
      pen.strokeStyle = pen.fillStyle = style.getPropertyValue(line.color);
      pen.setLineDash(line.number ? [2 + 3 * line.number, 3] : []);
      pen.beginPath();
      line.points.forEach(([step, value], i) => pen[i ? "lineTo" : "moveTo"](x(step / last(line.run)), y(value)));
      pen.stroke();
      const [[step, value] = []] = line.points;
      if (line.points.length === 1) pen.fillRect(x(step / last(line.run)) - 2, y(value) - 2, 4, 4);
    }
    pen.setLineDash([]);
    pen.strokeStyle = style.getPropertyValue("--ink");
    pen.strokeRect(x(share ? this.at : this.at / last(runs[0])), 4, 0.5, height - 20);
    return figure;
  }

  async png() {
    const canvases = [...this.stage.querySelectorAll("canvas")];
    const width = canvases.reduce((sum, canvas) => sum + canvas.width, 0);
    const all = h("canvas", { width, height: Math.max(...canvases.map((canvas) => canvas.height)) });
    let x = 0;
    for (const canvas of canvases) {
      all.getContext("2d").drawImage(canvas, x, 0);
      x += canvas.width;
    }
    all.toBlob((content) => save(content, "grids.png"));
  }

  async gif() {
    const runs = [...this.chosen.keys()].map((name) => ["run", name]);
    save(await blob("film", [...runs, ["by", this.by.select.value]]), "film.gif");
  }
}
