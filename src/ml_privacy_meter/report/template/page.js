const specs = JSON.parse(document.getElementById("specs").textContent);
// `ast`: expressions are interpreted, so that the page needs no right to evaluate code.
const options = {mode: "vega-lite", renderer: "svg", actions: false, ast: true};
const places = [...document.querySelectorAll("[data-chart]")];
Promise.all(places.map((place) => vegaEmbed(place, specs[place.dataset.chart], options)))
  .then(() => { document.documentElement.dataset.drawn = "yes"; });
