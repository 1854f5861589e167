// SPDX-License-Identifier: Apache-2.0
// Answers with the path, and asks itself once per request.
const http = require("http"), port = Number(process.argv[2]);
const server = http.createServer((ask, answer) => {
	if (ask.headers.again) return answer.end(ask.url);
	http.get({ port, host: "127.0.0.1", path: ask.url, headers: { again: "1" } }, (got) => got.pipe(answer));
});
process.on("SIGTERM", () => process.exit(0));
server.listen(port, "127.0.0.1");
