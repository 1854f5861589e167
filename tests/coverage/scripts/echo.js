// SPDX-License-Identifier: Apache-2.0
// An echo server that also reads a file and starts a child.
const net = require("net"), fs = require("fs"), { execFileSync } = require("child_process");
const server = net.createServer((c) => c.on("error", () => 0).pipe(c));
fs.readFile(__filename, () => execFileSync("/bin/true"));
process.on("SIGTERM", () => process.exit(0));
server.listen(Number(process.argv[2]), "127.0.0.1");
