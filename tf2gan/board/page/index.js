// The tab GAN: Time, Explore, Draw. TensorBoard loads this module and calls render().

import { arrows, get, h, latest, onNote } from "./api.js";
import { Draw } from "./draw.js";
import { Explore } from "./explore.js";
import { Source } from "./source.js";
import { Time } from "./time.js";

const EVERY = 5000; // milliseconds between two looks at the runs

export async function render() {
  document.documentElement.lang = "en";
  document.head.append(h("link", { rel: "stylesheet", href: "./style.css" }));
  followTheme();
  const note = h("button", { className: "note", onclick: () => (note.textContent = "") });
  note.setAttribute("role", "status");
  onNote((text, wrong = false) => {
    note.textContent = text;
    note.classList.toggle("wrong", wrong);
  });
  let shown = null;
  const source = new Source("networks", null, () => Promise.all([explore.fresh(), draw.clear()]));
  const explore = new Explore(source);
  const draw = new Draw(source, (latent) => (show("Explore"), explore.take(latent)));
  const views = { Time: new Time(), Explore: explore, Draw: draw };
  const networks = h("div", { className: "bar" }, ...source.elements);
  const stage = h("main");
  const tabs = Object.keys(views).map((name) => h("button", { role: "tab", onclick: () => show(name) }, name));
  const list = h("div", { role: "tablist" }, ...tabs);
  list.onkeydown = (event) => arrows(tabs, event, 0, (tab) => tab.click());
  document.body.append(h("header", {}, list, note), stage);

  function show(name) {
    shown = views[name];
    for (const tab of tabs) tab.setAttribute("aria-selected", String(tab.textContent === name));
    stage.replaceChildren(...(shown === views.Time ? [] : [networks]), shown.element);
    look();
  }

  const look = latest(async () => {
    const found = await get("runs");
    if (shown !== views.Time) await source.runs(found);
    await shown.runs(found);
  });
  document.addEventListener("keydown", (event) => {
    const { tagName, type } = event.target;
    const pressed = event.key === " " && (tagName === "BUTTON" || type === "checkbox");
    const typed = tagName === "SELECT" || type === "number" || pressed;
    const taken = typed || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey;
    if (!taken) shown.key?.(event);
  });
  show("Time");
  // TensorBoard hides the page of a tab that is not shown: it has no width then.
  setInterval(() => document.hidden || !window.innerWidth || look(), EVERY);
}

// TensorBoard's own page, around this one, is light or dark.
function followTheme() {
  const around = window.parent.document.body;
  const follow = () => document.documentElement.classList.toggle("dark", around.classList.contains("dark-mode"));
  follow();
  new MutationObserver(follow).observe(around, { attributeFilter: ["class"] });
}
