// SPDX-License-Identifier: Apache-2.0
// A primary that accepts and hands the connections to two workers over their channel.
const cluster = require("cluster"), http = require("http");
if (cluster.isPrimary) {
	cluster.schedulingPolicy = cluster.SCHED_RR;
	cluster.fork();
	cluster.fork();
	process.on("SIGTERM", () => cluster.disconnect(() => process.exit(0)));
} else {
	http.createServer((ask, answer) => answer.end(ask.url)).listen(Number(process.argv[2]), "127.0.0.1");
}
