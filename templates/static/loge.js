// Four comforts; every page works without them.
let pressed, at = 0;
document.addEventListener("submit", (event) => {
  // The second press of a double click would ask for what the first one has used.
  if (event.target === pressed && Date.now() - at < 2000) return event.preventDefault();
  pressed = event.target;
  at = Date.now();
});
for (const field of document.querySelectorAll("input[data-show]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain";
  const label = () => {
    button.textContent = field.type === "password" ? field.dataset.show : field.dataset.hide;
  };
  button.onclick = () => {
    field.type = field.type === "password" ? "text" : "password";
    label();
  };
  label();
  const box = document.createElement("div");
  box.className = "shown";
  field.replaceWith(box);
  box.append(field, button);
  field.form.addEventListener("submit", () => { field.type = "password"; });
}
for (const field of document.querySelectorAll("input[data-check]")) {
  const news = document.createElement("p");
  news.setAttribute("role", "status");
  (field.closest(".shown") ?? field).after(news);
  let wait;
  field.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(async () => {
      const typed = field.value;
      const answer = await fetch(field.dataset.check, { method: "POST", body: new URLSearchParams({ password: typed }) }).catch(() => null);
      const text = answer?.ok ? await answer.text() : "";
      if (typed === field.value) news.textContent = text;
    }, 400);
  });
}
document.querySelector("form[data-submit]")?.submit();
