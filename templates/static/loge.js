// Two comforts; every page works without them.
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
document.querySelector("form[data-submit]")?.submit();
