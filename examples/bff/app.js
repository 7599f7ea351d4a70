// The whole of the application in the browser. It knows who is there; it has no
// token, and nowhere to put one.
const show = id => { document.getElementById(id).hidden = false; };

fetch("/api/me").then(async answer => {
	const who = document.getElementById("who");
	if (answer.ok) {
		const person = await answer.json();
		who.textContent = `You are ${person.name}.`;
		show("logout");
	} else {
		who.textContent = "You are not signed in.";
		show("login");
	}
});
