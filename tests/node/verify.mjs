// Verifies one delivery, as standard input tells it, with the two packages that receivers use.
import { Webhook } from "standardwebhooks";
import { Webhook as Svix } from "svix";

let text = "";
for await (const piece of process.stdin) text += piece;
const { secret, headers, body } = JSON.parse(text);
const raw = Buffer.from(body, "base64").toString();
new Svix(secret).verify(raw, headers);
const standard = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.replace("svix-", "webhook-"), value]));
new Webhook(secret).verify(raw, standard);
process.stdout.write("verified");
