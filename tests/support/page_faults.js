/* What is wrong with a page, measured in it: left as JSON in the body's data-faults.  Run in a page by `chromium.faults`. */
window.addEventListener("load", function () { setTimeout(function () {
  var faults = [], narrow = innerWidth <= 820;
  var box = function (e) { return e.getBoundingClientRect(); };
  var light = function (css) {  // relative luminance (WCAG 2)
    var c = css.match(/[\d.]+/g).slice(0, 3).map(function (v) {
      v /= 255;
      return v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4);
    });
    return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
  };
  var paper = function (e) {  // the colour that is behind an element
    for (; e; e = e.parentElement) {
      var own = getComputedStyle(e).backgroundColor;
      if (!/, 0\)$/.test(own)) return own;
    }
    return "rgb(255, 255, 255)";
  };
  document.querySelectorAll(".plot, pre, img").forEach(function (e) {
    if (e.tagName === "PRE" ? box(e).right > innerWidth + 1 : box(e).right > innerWidth + 1 || (!narrow && e.matches(".plot") && box(e).bottom > innerHeight + 1))
      faults.push("clipped: " + e.textContent.slice(0, 30));
  });
  var texts = [].slice.call(document.querySelectorAll("svg text, header *, #legend li, #joints span, button, output, article p, article li, article td, article h1"));
  texts.filter(function (e) { return e.textContent.trim() && (e.tagName === "text" || !e.querySelector("*")) && e.checkVisibility(); }).forEach(function (e) {
    var style = getComputedStyle(e), ink = light(e.tagName === "text" ? style.fill : style.color), back = light(paper(e));
    if (parseFloat(style.fontSize) < 11) faults.push("small: " + e.textContent);
    if ((Math.max(ink, back) + 0.05) / (Math.min(ink, back) + 0.05) < 4.5) faults.push("pale: " + e.textContent);
  });
  document.querySelectorAll("svg.plot, svg.chart").forEach(function (plot) {
    var all = [].slice.call(plot.querySelectorAll("text")).map(box).filter(function (b) { return b.width; });
    all.forEach(function (a, i) {
      all.slice(i + 1).forEach(function (b) {
        if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3)
          faults.push("overlap in: " + plot.textContent.slice(0, 30));
      });
    });
  });
  var side = document.getElementById("side");
  if (side && !narrow && side.scrollHeight > side.clientHeight + 40) faults.push("the essentials scroll");
  if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the window");
  document.body.setAttribute("data-faults", JSON.stringify(faults));
}, 500); });
