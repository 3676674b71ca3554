// A MentraOS app as its developers write it (@mentra/sdk), and a small cloud for it to connect to.
// Tells on standard output where both listen, then every request body that the app hears, in base64.
import http from "node:http";
import { AppServer } from "@mentra/sdk";
import { WebSocketServer } from "ws";

const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (name, request, ...rest) {
  if (name === "request" && request.method === "POST") {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => {
      const body = Buffer.concat(pieces);
      tell({ heard: request.url, size: body.length, body: body.length < 65536 ? body.toString("base64") : null });
    });
  }
  return emit.call(this, name, request, ...rest);
};

function tell(what) {
  process.stdout.write(JSON.stringify({ tells: true, ...what }) + "\n");
}

const cloud = new WebSocketServer({ host: "127.0.0.1", port: 0 });
cloud.on("connection", (socket, request) => {
  socket.on("message", (raw) => {
    const message = JSON.parse(raw.toString());
    if (message.type === "tpa_connection_init" && !request.url.includes("silent")) {
      socket.send(JSON.stringify({ type: "tpa_connection_ack", sessionId: message.sessionId, settings: [], timestamp: new Date() }));
    }
  });
});

class Captions extends AppServer {
  async onSession() {}
  async onStop(sessionId, userId, reason) {
    if (reason === "throw") throw new Error("as the test wants");
  }
}

const port = Number(process.argv[2]);
const app = new Captions({ packageName: "com.example.captions", apiKey: "key", port, host: "127.0.0.1" });
await app.start();
tell({ ready: port, cloud: cloud.address().port });
