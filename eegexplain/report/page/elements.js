// Elements of a page, and what the arrow keys mean.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function element(parent, name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  parent.append(made);
  return made;
}

function choice(parent, label, options, chosen) {
  const select = element(element(parent, "label", {}, `${label} `), "select");
  options.forEach((text, number) => select.add(new Option(text, number, false, number === chosen)));
  return select;
}
