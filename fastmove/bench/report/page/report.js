// A preview is put together when it is opened: all of them share one library.
document.querySelectorAll("details[data-preview]").forEach(function (part) {
  part.addEventListener("toggle", function () {
    if (!part.open || part.querySelector("iframe")) return;
    var frame = document.createElement("iframe");
    frame.srcdoc = previews[part.dataset.preview].split(library.mark).join(library.text);
    frame.title = part.querySelector("summary").textContent;
    part.appendChild(frame);
  });
});
// A click on a heading sorts its table by that column, a second one the other way round.
document.querySelectorAll("table.sortable th").forEach(function (head) {
  head.addEventListener("click", function () {
    var table = head.closest("table"), body = table.tBodies[0], column = [].indexOf.call(head.parentNode.children, head);
    var turned = head.dataset.turned = head.dataset.turned === "1" ? "-1" : "1";
    var key = function (row) {
      var text = row.children[column].textContent, number = parseFloat(text.replace(/[^0-9.eE+-]/g, ""));
      return head.classList.contains("name") ? text : isNaN(number) ? Infinity : number;
    };
    [].slice.call(body.rows).sort(function (a, b) {
      var one = key(a), other = key(b);
      return (one < other ? -1 : one > other ? 1 : 0) * turned;
    }).forEach(function (row) { body.appendChild(row); });
  });
});
