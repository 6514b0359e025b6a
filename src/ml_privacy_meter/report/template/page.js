const specs = JSON.parse(document.getElementById("specs").textContent);
// `ast`: expressions are interpreted, so that the page needs no right to evaluate code.
const options = {mode: "vega-lite", renderer: "svg", actions: false, ast: true};
const views = {};
// What is folded away or hidden has no width yet: it is drawn once it is seen.
const draw = (place) => {
  if (place.dataset.begun || place.closest("details:not([open]), [hidden]")) return null;
  place.dataset.begun = "yes";
  return vegaEmbed(place, specs[place.dataset.chart], options).then((made) => { views[place.dataset.chart] = made.view; });
};
const drawWithin = (part) => Promise.all([...part.querySelectorAll("[data-chart]")].map(draw));
for (const part of document.querySelectorAll("details")) part.addEventListener("toggle", () => drawWithin(part));
drawWithin(document).then(() => { document.documentElement.dataset.drawn = "yes"; });

// One of several parts is shown: that of the pressed radio button.
for (const radio of document.querySelectorAll("[data-choose]")) radio.addEventListener("change", () => {
  for (const part of document.querySelectorAll(`[data-choice="${radio.dataset.choose}"]`)) {
    part.hidden = part.dataset.value !== radio.value;
    drawWithin(part);
  }
});

const names = [...document.querySelectorAll("[data-pick]")];
const pick = (chosen) => {
  for (const name of names) name.setAttribute("aria-pressed", String(name === chosen));
  const place = chosen ? Number(chosen.dataset.pick) : -1;
  for (const key of ["all-log", "all-linear"]) views[key]?.signal("picked", place).runAsync();
};
for (const name of names) {
  name.addEventListener("click", () => pick(name.getAttribute("aria-pressed") === "true" ? null : name));
}
