// Draw each <figure data-chart> from the Vega-Lite specification in it. Expressions are interpreted, not compiled,
// because the page's security policy forbids code from text.
(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const views = new Map();
  const draw = (figure) => {
    const spec = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    const ink = colour("--ink"), line = colour("--line");
    const config = {
      background: "transparent", view: { stroke: null },
      axis: { labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line },
      legend: { labelColor: ink, titleColor: ink }, title: { color: ink },
      mark: { color: colour("--accent") }, range: { category: [colour("--good"), colour("--quiet"), colour("--accent"), colour("--wait")] }, text: { color: ink },
    };
    const compiled = vegaLite.compile({ width: "container", height: 220, autosize: { type: "fit-x", contains: "padding" }, ...spec }, { config }).spec;
    views.get(figure)?.finalize();
    const view = new vega.View(vega.parse(compiled, null, { ast: true }), {
      expr: vegaInterpreter.expressionInterpreter, renderer: "canvas", container: figure.querySelector(".chart"), hover: true,
    });
    views.set(figure, view);
    view.runAsync();
  };
  const all = (root) => root.querySelectorAll("figure[data-chart]").forEach(draw);
  document.addEventListener("DOMContentLoaded", () => all(document));
  document.addEventListener("htmx:afterSwap", (event) => all(event.target));
  document.addEventListener("theme", () => all(document));
})();
