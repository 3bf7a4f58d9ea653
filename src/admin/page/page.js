// All that this adds are buttons that copy; the pages are complete without it.
for (const element of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy quiet";
  button.textContent = "copy";
  button.setAttribute("aria-label", `Copy ${element.dataset.copy}`);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(element.dataset.copy);
    button.textContent = "copied";
  });
  if (element.tagName === "PRE") element.append(button);
  else (element.closest("a") ?? element).after(button);
}
