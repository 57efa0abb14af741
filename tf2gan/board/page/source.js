// Two menus that name networks: a run, or the package's, and one of its checkpoints.

import { choice, get, options } from "./api.js";

const named = (name) => (name.startsWith("@") ? `${name.slice(1)}, trained (in the package)` : name);
const said = (step) => (step === "best" ? "the best" : `step ${step}`);

export class Source {
  constructor(label, none, changed) {
    this.first = none ? [["", none]] : [];
    this.changed = changed;
    this.run = choice(label, this.first, () => this.look(true));
    this.checkpoint = choice("checkpoint", [], changed);
    this.checkpoint.element.hidden = true;
    this.elements = [this.run.element, this.checkpoint.element];
  }

  get name() {
    return this.run.select.value;
  }

  get query() {
    return { run: this.name, checkpoint: this.checkpoint.select.value };
  }

  async runs({ runs, trained }) {
    const drawable = runs.filter((run) => run.drawable && !run.error).map((run) => run.name);
    const before = this.name;
    fill(this.run.select, [...this.first, ...[...drawable.reverse(), ...trained].map((name) => [name, named(name)])]);
    await this.look(this.name !== before);
    if (before && this.name !== before) throw new Error(`${before} is gone; here are others.`);
  }

  // The checkpoints of the run; what was chosen stays, if it is still there.
  async look(changed) {
    const name = this.name;
    const about = name && !name.startsWith("@") ? await get("run", { run: name }) : null;
    if (name !== this.name) return;
    const before = this.checkpoint.select.value;
    this.about = about || { size: [28, 28], channels: 1, checkpoints: [] };
    fill(this.checkpoint.select, this.about.checkpoints.map((step) => [step, said(step)]));
    this.checkpoint.element.hidden = !about;
    if (changed || before !== this.checkpoint.select.value) await this.changed();
  }
}

// Replaces the entries of a menu, only if they are others: it may be open.
export function fill(select, values) {
  const now = select.value;
  if (values.map(String).join("\n") === select.dataset.values) return;
  select.dataset.values = values.map(String).join("\n");
  select.replaceChildren(...options(values));
  if (values.some(([value]) => String(value) === now)) select.value = now;
}
