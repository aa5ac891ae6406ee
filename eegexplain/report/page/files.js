// What a reader takes along: the map that is shown, as CSV, PNG and SVG.

function save(name, url) {
  const link = document.createElement("a");
  Object.assign(link, { download: name, href: url });
  link.click();
}

/** A cell of a table: quoted, and never a formula to a spreadsheet. */
const quoted = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;

function mapAsCSV(data, means) {
  const rows = means.map((one, c) => [quoted(data.channels[c]), one.value, one.error, one.z].join());
  return `data:text/csv;charset=utf-8,${encodeURIComponent(["channel,value,standard_error,z", ...rows].join("\n"))}`;
}

const escaped = (text) => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

function mapAsSVG(scalp, data, title) {
  const { radius } = scalp;
  const [middle, side] = [radius * 1.2, radius * 2.4];
  const head = (radius * data.head) / data.reach;
  const cut = Math.max(head, (radius * data.cut) / data.reach);
  const electrodes = data.places.map(([x, y], c) => {
    const [u, v] = [middle + (x * radius) / data.reach, middle - (y * radius) / data.reach].map((z) => z.toFixed(1));
    return `<circle cx="${u}" cy="${v}" r="1.7"/><text x="${u}" y="${v - 5}">${escaped(data.channels[c])}</text>`;
  });
  const text = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${side} ${side}" font-family="sans-serif"
 font-size="9" text-anchor="middle"><title>${escaped(title)}</title>
<clipPath id="cut"><circle cx="${middle}" cy="${middle}" r="${cut}"/></clipPath>
<image clip-path="url(#cut)" x="${middle - radius}" y="${middle - radius}" width="${2 * radius}" height="${2 * radius}"
 href="${scalp.picture.toDataURL()}"/>
<g fill="none" stroke="#000" stroke-width="1.5"><circle cx="${middle}" cy="${middle}" r="${head}"/>
<path d="M${middle - 0.12 * head} ${middle - 0.993 * head}L${middle} ${middle - 1.13 * head}L${middle + 0.12 * head}
 ${middle - 0.993 * head}"/></g>${electrodes.join("\n")}</svg>`;
  return `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
}
