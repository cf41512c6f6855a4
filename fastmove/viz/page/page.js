/* Plays the motion and draws its plots.  `motion`: duration [s], end [s] of what was recorded, times (K), plots, joint colours,
   the wrench in its cone, labels with their places.  `viewer` is meshcat's. */
(function () {
  "use strict";
  var SVG = "http://www.w3.org/2000/svg", LEFT = 42, RIGHT = 8, BINDING = 0.98;
  var byId = function (id) { return document.getElementById(id); };
  var time = 0, speed = motion.speed, playing = true, before = null, cursors = [];

  function element(name, attributes, parent, text) {
    var made = document.createElementNS(SVG, name);
    for (var key in attributes) made.setAttribute(key, attributes[key]);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.appendChild(made);
    return made;
  }

  // -- the clock: our own, so that play, scrub and speed are one ------------------------------------------------
  viewer.animator.play();
  viewer.animator.playing = false;  // its actions stay active, but only `seek` moves them

  function show(t) {
    time = Math.max(0, Math.min(t, motion.end));
    viewer.animator.seek(time);
    byId("scrub").value = time / motion.end;
    byId("clock").textContent = Math.min(time, motion.duration).toFixed(3) + " / " + motion.duration.toFixed(3) + " s";
    cursors.forEach(function (move) { move(Math.min(time, motion.duration)); });
  }
  function run(now) {
    if (playing && before !== null) {
      var next = time + speed * (now - before) / 1000;
      show(next > motion.end + 0.4 * speed ? 0 : next);
      if (next > motion.end) time = next;  // a short rest at the end before it begins again
    }
    before = now;
    place();
    requestAnimationFrame(run);
  }
  function play(on) { playing = on; byId("play").textContent = on ? "❚❚" : "▶"; }
  byId("play").onclick = function () { play(!playing); };
  byId("scrub").oninput = function () { play(false); show(this.value * motion.end); };
  [[0.1, "0.1×"], [0.25, "¼×"], [0.5, "½×"], [1, "1×"]].forEach(function (one) {
    var button = document.createElement("button");
    button.textContent = one[1];
    button.className = one[0] === speed ? "on" : "";
    button.onclick = function () {
      speed = one[0];
      byId("speeds").childNodes.forEach(function (other) { other.className = other === button ? "on" : ""; });
      play(true);
    };
    byId("speeds").appendChild(button);
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === " ") { play(!playing); event.preventDefault(); }
    if (event.key === "ArrowRight") { play(false); show(time + 0.01); }
    if (event.key === "ArrowLeft") { play(false); show(time - 0.01); }
  });

  // -- labels: places in the world, projected to the pane -------------------------------------------------------
  var labels = motion.labels.map(function (one) {
    var made = document.createElement("span");
    made.textContent = one.text;
    byId("labels").appendChild(made);
    return { element: made, at: one.at };
  });
  function times(m, v) {  // a column-major 4×4 matrix times a vector
    return [0, 1, 2, 3].map(function (r) { return m[r] * v[0] + m[r + 4] * v[1] + m[r + 8] * v[2] + m[r + 12] * v[3]; });
  }
  function place() {
    var pane = byId("meshcat-pane"), camera = viewer.camera;
    labels.forEach(function (one) {
      var p = times(viewer.scene.matrixWorld.elements, [one.at[0], one.at[1], one.at[2], 1]);
      p = times(camera.projectionMatrix.elements, times(camera.matrixWorldInverse.elements, p));
      one.element.style.display = p[3] > 0 ? "" : "none";
      one.element.style.left = (p[0] / p[3] + 1) / 2 * pane.clientWidth + "px";
      one.element.style.top = (1 - p[1] / p[3]) / 2 * pane.clientHeight + "px";
    });
  }

  // -- plots ----------------------------------------------------------------------------------------------------
  motion.joints.forEach(function (joint) {
    var made = document.createElement("span");
    made.innerHTML = '<i style="background:' + joint.colour + '"></i>';
    made.appendChild(document.createTextNode(joint.name));
    byId("joints").appendChild(made);
  });
  var tip = document.createElement("div");
  tip.className = "tip";
  tip.style.display = "none";
  document.body.appendChild(tip);

  function ticks() {
    var step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find(function (s) { return motion.duration / s <= 7; }) || 100;
    var all = [];
    for (var t = 0; t < 0.88 * motion.duration; t += step) all.push(+t.toFixed(3));
    return all;
  }
  function number(x) { return Math.abs(x) >= 100 ? x.toFixed(0) : Math.abs(x) >= 1 ? x.toFixed(2) : x.toPrecision(2); }

  function draw(plot, height, last) {
    var width = byId("plots").clientWidth, bottom = last ? 20 : 5, top = 20;
    var svg = element("svg", { "class": "plot", width: width, height: height }, byId("plots"));
    var x = function (t) { return LEFT + t / motion.duration * (width - LEFT - RIGHT); };
    var y = function (v) { return height - bottom - Math.min(v / plot.most, 1) * (height - bottom - top); };
    element("text", { x: LEFT, y: 13 }, svg, plot.title);
    var best = element("text", { x: width - RIGHT, y: 13, "text-anchor": "end", "class": "small" }, svg, "");
    ticks().concat([motion.duration]).forEach(function (t, k, all) {
      element("line", { x1: x(t), x2: x(t), y1: top, y2: height - bottom, stroke: "#e6eaee" }, svg);
      var end = k === all.length - 1;
      if (last) element("text", { x: x(t), y: height - 5, "text-anchor": end ? "end" : "middle", "class": "small" }, svg, end ? t.toFixed(3) + " s" : t);
    });
    motion.marks.forEach(function (mark, k, all) {
      element("line", { x1: x(mark[1]), x2: x(mark[1]), y1: top, y2: height - bottom, stroke: "#c0262b", "stroke-width": 0.8 }, svg);
      var crowded = k > 0 && x(mark[1]) - x(all[k - 1][1]) < 12;  // a number that would cover the one before is left out
      if (last && !crowded) element("text", { x: x(mark[1]) + 2, y: top + 9, "class": "small" }, svg, mark[0]);
    });
    element("line", { x1: LEFT, x2: width - RIGHT, y1: y(0), y2: y(0), stroke: "#52606d", "stroke-width": 0.8 }, svg);
    element("line", { x1: LEFT, x2: width - RIGHT, y1: y(plot.limit), y2: y(plot.limit), stroke: "#a3201b", "stroke-dasharray": "4 3" }, svg);
    element("text", { x: LEFT - 5, y: y(plot.limit) + 4, "text-anchor": "end", "class": "small" }, svg, plot.mark);
    if (plot.below) element("text", { x: LEFT - 5, y: y(plot.most) + 6, "text-anchor": "end", "class": "small" }, svg, "≥ " + plot.most);
    plot.curves.forEach(function (curve) {
      var path = "", bind = "", on = false;
      curve.values.forEach(function (v, k) {
        var here = x(motion.times[k]).toFixed(1) + " " + y(v).toFixed(1);
        path += (k ? "L" : "M") + here;
        var binds = plot.below ? v <= plot.binding : v >= BINDING;
        if (binds) bind += (on ? "L" : "M") + here;
        on = binds;
      });
      element("path", { d: path, fill: "none", stroke: curve.colour, "stroke-width": 1.2 }, svg);
      if (bind) element("path", { d: bind, fill: "none", stroke: curve.colour, "stroke-width": 3.2, "stroke-linecap": "round" }, svg);
    });
    var cursor = element("line", { y1: top, y2: height - bottom, stroke: "#1f2933", "stroke-width": 1 }, svg);
    var at = function (t) { return Math.round(t / motion.duration * (motion.times.length - 1)); };
    var text = function (curve, k) {
      var v = curve.values[k];
      return curve.name + "  " + (plot.below ? number(v) + " " + plot.unit
        : (curve.scale ? number(v * curve.scale) + " " + plot.unit + "  " : "") + "(" + Math.round(100 * v) + " %)");
    };
    var most = function (k) {
      return plot.curves.reduce(function (a, b) { return (plot.below ? b.values[k] < a.values[k] : b.values[k] > a.values[k]) ? b : a; });
    };
    cursors.push(function (t) {
      cursor.setAttribute("x1", x(t));
      cursor.setAttribute("x2", x(t));
      best.textContent = text(most(at(t)), at(t));
    });
    svg.onmousemove = function (event) {
      var box = svg.getBoundingClientRect(), t = (event.clientX - box.left - LEFT) / (width - LEFT - RIGHT) * motion.duration;
      if (t < 0 || t > motion.duration) return;
      var k = at(t);
      tip.innerHTML = "<b>" + plot.title + "</b> at " + t.toFixed(3) + " s";
      plot.curves.forEach(function (curve) {
        var row = document.createElement("div");
        row.innerHTML = '<i style="background:' + curve.colour + '"></i>';
        row.appendChild(document.createTextNode(text(curve, k)));
        tip.appendChild(row);
      });
      tip.style.display = "";
      tip.style.left = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8) + "px";
      tip.style.top = Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 8) + "px";
    };
    svg.onmouseleave = function () { tip.style.display = "none"; };
    svg.onclick = function (event) {
      play(false);
      show((event.clientX - svg.getBoundingClientRect().left - LEFT) / (width - LEFT - RIGHT) * motion.duration);
    };
  }

  function drawCone() {
    var cone = motion.cone, size = 128, figure = byId("cone");
    if (!cone) return;
    figure.textContent = "";
    var svg = element("svg", { "class": "plot", width: size + 40, height: size + 52 }, figure);
    var x = function (v) { return 22 + size * v; }, y = function (v) { return size + 26 - size * v; };
    element("text", { x: 4, y: 13 }, svg, "Grip: wrench in its cone");
    element("path", { d: "M" + x(0) + " " + y(1) + "A" + size + " " + size + " 0 0 1 " + x(1) + " " + y(0), fill: "none", stroke: "#a3201b",
      "stroke-dasharray": "4 3" }, svg);
    element("path", { d: "M" + x(0) + " " + y(1.03) + "V" + y(0) + "H" + x(1.03), fill: "none", stroke: "#52606d" }, svg);
    element("text", { x: x(0.5), y: y(0) + 15, "text-anchor": "middle", "class": "small" }, svg, "force and torsion");
    element("text", { transform: "translate(" + (x(0) - 8) + " " + y(0.5) + ") rotate(-90)", "text-anchor": "middle", "class": "small" }, svg,
      "couples, normal load");
    element("path", { d: cone.x.map(function (v, k) { return (k ? "L" : "M") + x(v).toFixed(1) + " " + y(cone.y[k]).toFixed(1); }).join(""),
      fill: "none", stroke: "#9aa5b1" }, svg);
    var dot = element("circle", { r: 4.5, fill: "#e8833a", id: "wrench-dot" }, svg);
    cursors.push(function (t) {
      var k = Math.round(t / motion.duration * (cone.x.length - 1));
      dot.setAttribute("cx", x(cone.x[k]));
      dot.setAttribute("cy", y(cone.y[k]));
    });
  }

  function drawAll() {
    byId("plots").textContent = "";
    cursors = [];
    var room = (window.innerWidth > 820 ? byId("side").clientHeight - 74 : 90 * motion.plots.length) - byId("joints").offsetHeight;
    var height = Math.max(74, Math.min(130, Math.floor((room - 15) / motion.plots.length)));
    motion.plots.forEach(function (plot, k) {
      var last = k === motion.plots.length - 1;
      draw(plot, height + (last ? 15 : 0), last);
    });
    drawCone();
    var pane = byId("meshcat-pane");
    frame(pane.clientWidth / Math.max(pane.clientHeight, 1), 19);
    show(time);
  }
  function frame(aspect, half) {  // the angle that is seen across is at least as wide as the one seen upwards in a square
    viewer.camera.fov = 2 * Math.atan(Math.tan(half * Math.PI / 180) / Math.min(1, aspect)) * 180 / Math.PI;
    viewer.set_dirty();
  }
  window.addEventListener("resize", drawAll);
  drawAll();
  // Frames for a film: rendered one by one and left in the page as pictures.
  window.fastmoveFrames = function (count, width, height) {
    play(false);
    viewer.renderer.setPixelRatio(1);
    viewer.renderer.setSize(width, height);
    viewer.camera.aspect = width / height;
    frame(width / height, 15);
    var pictures = [];
    for (var k = 0; k < count; k++) {
      viewer.animator.seek(motion.end * k / (count - 1));
      viewer.render();
      pictures.push(viewer.renderer.domElement.toDataURL("image/jpeg", 0.92));
    }
    document.body.textContent = pictures.join("\n");
  };
  if (motion.frames) window.fastmoveFrames(motion.frames[0], motion.frames[1], motion.frames[2]);
  else requestAnimationFrame(run);
  window.fastmoveReady = true;
})();
