// Interactive controls for the networks: samples and their scores, walks, directions, two side by side.

import { arrows, blob, button, captioned, choice, h, latest, picture, post, save, telling, tile } from "./api.js";
import { fill, Source } from "./source.js";

const SLIDE = 4; // how far a slider goes along a direction, either way
const HINT =
  "Under each image: how sure D is that it is real. Click on one to change it by the sliders, on a second for a walk.";
const clip = (value) => Math.max(-1, Math.min(1, value));

export class Explore {
  constructor(source) {
    this.source = source;
    this.other = new Source("compare with", "nothing", () => this.change());
    const seed = { type: "number", min: 0, max: 2 ** 31 - 1, value: 0, ariaLabel: "seed" };
    this.seed = h("input", { ...seed, onchange: () => this.draw() });
    const turn = (by) => ((this.seed.value = Math.max(0, Number(this.seed.value) + by)), this.draw());
    this.order = choice("order", [["drawn", "as drawn"], ["best", "D's best first"]], () => this.lay());
    this.only = choice("class", [["", "all"]], () => (this.lay(), this.picked || this.first()));
    this.only.element.hidden = true;
    this.kind = choice("images as", ["png", "gif", "npz", "npy"].map((kind) => [kind, `.${kind}`]));
    this.tiles = h("div", { className: "tiles", role: "group", ariaLabel: "samples" });
    const columns = () => getComputedStyle(this.tiles).gridTemplateColumns.split(" ").length;
    this.tiles.onkeydown = (event) => arrows(this.tiles.children, event, columns());
    this.hint = h("p", {}, HINT);
    this.big = h("div", { className: "big" });
    this.slides = h("div", { className: "slides" });
    this.strip = h("div", { className: "strip" });
    const place = { type: "range", min: 0, max: 63, value: 0, ariaLabel: "place on the walk" };
    this.place = h("input", { ...place, oninput: () => this.change() });
    const back = button("◀", () => turn(-1), { title: "the seed before" });
    const on = button("▶", () => turn(1), { title: "the next seed" });
    const seeds = [back, h("label", {}, "seed ", this.seed), on];
    const files = [this.kind.element, button("Download", () => this.download())];
    const menus = [this.order.element, this.only.element, ...files, ...this.other.elements];
    const reset = button("Reset", () => this.reset());
    const hands = h("div", { className: "bar" }, reset, button("Save latent (.npy)", () => this.copy()));
    const title = h("h2", {}, "the walk from A to B");
    this.walking = h("div", { className: "walk", hidden: true }, title, this.place, this.strip);
    const left = h("section", {}, this.tiles, this.walking);
    const about = h("h2", {}, "directions that change it, the strongest first");
    const right = h("aside", {}, this.big, hands, about, this.slides);
    const columned = h("div", { className: "columns wide" }, left, right);
    const bar = h("div", { className: "bar" }, ...seeds, ...menus);
    this.element = this.controls = h("fieldset", { disabled: true }, bar, this.hint, columned);
    this.draw = latest(() => this.redraw());
    this.change = latest(() => this.show());
  }

  async runs(found) {
    await this.other.runs(found);
    if (!this.samples && !this.asked) this.draw();
    else if (this.samples && !this.samples.names && this.tries++ < 5) await this.name();
  }

  // Classes come late where the data take long to be read.
  async name() {
    const samples = this.samples;
    const { classes, names } = await post("samples", { ...this.source.query, seed: this.seed.value }, []);
    if (!names || samples !== this.samples) return;
    Object.assign(samples, { classes, names });
    this.showClasses();
  }

  showClasses() {
    fill(this.only.select, [["", "all"], ...(this.samples.names || []).map((name, i) => [i, name])]);
    this.only.element.hidden = !this.samples.names;
  }

  // Other networks: all that was of the last ones goes.
  fresh() {
    this.samples = null;
    for (const element of [this.tiles, this.big, this.strip]) element.replaceChildren();
    if (this.element.isConnected) this.draw();
  }

  async redraw() {
    if (!this.source.name) return;
    this.controls.disabled = !this.samples;
    this.asked = true;
    const wanted = () => ({ ...this.source.query, seed: this.seed.value });
    const query = wanted();
    const samples = await post("samples", query, []).finally(() => (this.asked = false));
    this.tries = 0;
    const sprite = await picture(samples.png);
    if (JSON.stringify(query) !== JSON.stringify(wanted())) return; // others were chosen meanwhile
    Object.assign(this, { samples, sprite });
    this.controls.disabled = false;
    this.showClasses();
    const count = samples.directions.length;
    if (this.slides.childElementCount !== count) {
      const range = { type: "range", min: -100, max: 100, value: 0, oninput: () => this.pull() };
      const slide = (_, i) => h("label", {}, String(i + 1), h("input", { ...range, ariaLabel: `direction ${i + 1}` }));
      this.slides.replaceChildren(...Array.from({ length: count }, slide));
    }
    this.lay();
    if (this.handed) this.take(this.handed);
    else this.first();
  }

  lay() {
    const { scores, classes } = this.samples;
    const wanted = this.only.select.value;
    this.kept = scores.map((_, i) => i).filter((i) => !wanted || classes[i] === Number(wanted));
    if (this.order.select.value === "best") this.kept.sort((a, b) => scores[b] - scores[a]);
    const buttons = this.kept.map((i) => {
      const image = tile(this.sprite, i, scores.length, 56);
      const parts = [image, h("small", {}, scores[i].toFixed(2)), h("b")];
      const pick = telling(() => this.pick(this.samples.latents[i]));
      return h("button", { ariaLabel: `image ${i + 1}`, onclick: pick }, ...parts);
    });
    this.tiles.replaceChildren(...buttons);
    if (!buttons.length) this.tiles.textContent = "None of this class among these 64; try another seed.";
    this.mark();
  }

  mark() {
    const [a, b] = [this.tileA, this.b].map((latent) => this.samples.latents.indexOf(latent));
    this.kept.forEach((i, place) => {
      const element = this.tiles.children[place];
      const letter = { [a]: "A", [b]: "B" }[i];
      element.setAttribute("aria-pressed", String(!!letter));
      element.lastChild.textContent = letter || "";
    });
  }

  // The first image that is chosen is A, the second B, the third A again.
  pick(latent) {
    if (this.b || latent === this.tileA || !this.picked) this.begin(latent, null, true);
    else this.begin(this.latent(), latent, true, this.tileA); // as it was changed
  }

  first() {
    this.begin(this.samples.latents[this.kept[0] ?? 0], null, false);
  }

  // What a person has changed is not thrown away by the next click.
  pull() {
    this.picked = true;
    this.change();
  }

  // Takes a latent from elsewhere.
  take(latent) {
    this.handed = latent;
    if (!this.samples) return;
    this.handed = null;
    this.only.select.value = "";
    this.lay();
    this.begin(latent, null, true);
    this.hint.textContent = "Your image is A. Change it by the sliders, or click on another one for a walk to it.";
  }

  begin(a, b, picked, tileA = a) {
    Object.assign(this, { a, b, picked, tileA, path: null });
    this.walking.hidden = !b;
    this.hint.textContent = b ? "Move along the walk, or choose another first image." : HINT;
    this.place.value = 0;
    this.mark();
    this.reset();
    if (b) telling(() => this.walk(a, b))();
  }

  async walk(a, b) {
    const walk = await post("walk", this.source.query, [a, b]);
    const sprite = await picture(walk.png);
    if (a !== this.a || b !== this.b) return; // others were chosen in the meantime
    this.path = walk.latents;
    this.strip.replaceChildren(...walk.scores.map((_, i) => tile(sprite, i, walk.scores.length, 56)));
  }

  reset() {
    for (const slide of this.slides.querySelectorAll("input")) slide.value = 0;
    this.change();
  }

  // The latent that is controlled: a place on the walk, moved along the directions.
  latent() {
    const base = this.path ? this.path[this.place.value] : this.a;
    const pulls = [...this.slides.querySelectorAll("input")].map((slide) => (SLIDE * slide.value) / 100);
    const moved = (value, j) => pulls.reduce((sum, pull, i) => sum + pull * this.samples.directions[i][j], value);
    return base.map((value, j) => clip(moved(value, j)));
  }

  async show() {
    if (!this.samples) return;
    const latent = this.latent();
    const sources = this.other.name ? [this.source, this.other] : [this.source];
    const figures = [];
    for (const source of sources) {
      const { png, scores } = await post("at", source.query, [latent]);
      const name = h("small", {}, source.run.select.selectedOptions[0].textContent);
      figures.push(captioned(tile(await picture(png), 0, 1, 168), `D: ${scores[0].toFixed(3)}`, name));
    }
    this.big.replaceChildren(...figures);
  }

  async copy() {
    save(await blob("files", { ...this.source.query, format: "latents" }, [this.latent()]), "latent.npy");
  }

  async download() {
    const format = this.kind.select.value;
    const latents = this.path || this.kept.map((i) => this.samples.latents[i]);
    save(await blob("files", { ...this.source.query, format }, latents), `images.${format}`);
  }
}
