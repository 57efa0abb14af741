// Requests to the plugin, what they say when they fail, and small helpers for elements.

const note = { show: () => {}, drawing: 0, wrong: null };
export const onNote = (show) => (note.show = show);

// A request that draws may wake TensorFlow up: the page says so while it lasts.
async function ask(path, query, body) {
  const draws = body !== undefined;
  const slow = draws && setTimeout(() => note.show("Waking TensorFlow up, or loading networks: some seconds …"), 800);
  note.drawing += draws;
  try {
    const data = body instanceof Uint8Array ? body : JSON.stringify(body);
    const options = draws ? { method: "POST", body: data } : {};
    const answer = await fetch(`./${path}?${new URLSearchParams(query)}`, options).catch(() => null);
    if (!answer) throw new Error("TensorBoard does not answer.");
    const wrong = answer.ok ? {} : await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(wrong.error || `TensorBoard answered ${answer.status}.`);
    return answer;
  } finally {
    clearTimeout(slow);
    note.drawing -= draws;
    if (draws && !note.drawing && !note.wrong) note.show("");
  }
}

export const get = async (path, query = {}) => (await ask(path, query)).json();
export const post = async (path, query, body) => (await ask(path, query, body)).json();
export const blob = async (path, query, body) => (await ask(path, query, body)).blob();
export const stream = async (path, query, body) => (await ask(path, query, body)).body;

// The action, whose mistakes become a sentence in the page until it succeeds, or another one does.
export const telling =
  (action) =>
  async (...args) => {
    try {
      const result = await action(...args);
      if (note.wrong === action) note.show((note.wrong = null) || "");
      return result;
    } catch (error) {
      note.wrong = action;
      note.show(error.message, true);
    }
  };

// While one call is under way only the newest of those that follow is kept.
export function latest(action) {
  const told = telling(action);
  let running = false;
  let waiting = null;
  return async function run(...args) {
    if (running) return void (waiting = args);
    running = true;
    await told(...args);
    running = false;
    const next = waiting;
    waiting = null;
    if (next) run(...next);
  };
}

export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const button = (text, action, props = {}) => h("button", { onclick: telling(action), ...props }, text);

export function choice(label, values, changed = () => {}) {
  const select = h("select", { onchange: telling(changed) }, ...options(values));
  return { select, element: h("label", {}, label, " ", select) };
}

export const options = (values) => values.map(([value, text]) => h("option", { value }, text));

// Arrow keys go from one to the next of some elements, in rows of so many, and act there.
export function arrows(elements, event, columns, act = () => {}) {
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const next = elements[[...elements].indexOf(event.target) + by];
  next?.focus();
  if (next) act(next);
}

export const captioned = (content, ...caption) => h("figure", {}, content, h("figcaption", {}, ...caption));

export async function picture(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

export function save(content, name) {
  const link = h("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// Image `index` of a sprite of `count`, eight in a row, as a canvas about `wide` pixels wide.
export function tile(sprite, index, count, wide) {
  const columns = Math.min(8, count);
  const [width, height] = [sprite.width / columns, sprite.height / Math.ceil(count / columns)];
  const canvas = h("canvas", { width, height, className: "tile" });
  canvas.style.width = `${width * Math.max(1, Math.round(wide / width))}px`;
  const [x, y] = [(index % columns) * width, Math.floor(index / columns) * height];
  canvas.getContext("2d").drawImage(sprite, x, y, width, height, 0, 0, width, height);
  return canvas;
}
