// SPDX-License-Identifier: Apache-2.0
// front_node.js PORT BACK CONNECTIONS - libuv: promises over one loop; connections to the back from a list, with a queue for who
// finds none free. Ends at SIGTERM.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const net = require('net');

const [port, back, connections] = process.argv.slice(2).map(Number);
const keys = {toFront: 0x5bd1e995a3c4f871n, fromFront: 0xc2b2ae3d27d4eb4fn, toBack: 0x165667b19e3779f9n, fromBack: 0x94d049bb133111ebn};
const lines = [];

// wire.h for JavaScript
class Wire {
	constructor(socket) {
		this.socket = socket;
		this.local = `${socket.localAddress}:${socket.localPort}`;
		this.remote = `${socket.remoteAddress}:${socket.remotePort}`;
		this.sent = this.taken = 0;
		this.buffer = Buffer.alloc(0);
	}

	send(message, hop, what) {
		const data = Buffer.concat([Buffer.alloc(20), crypto.randomBytes(crypto.randomInt(200))]);
		data.writeUInt32BE(data.length - 4, 0);
		data.writeBigUInt64BE(message.uid ^ keys[hop], 4);
		data.writeUInt32BE(message.fan, 12);
		data.writeUInt32BE(message.work, 16);
		if (what)
			lines.push(`${what} ${message.uid} ${this.local} ${this.remote} ${this.sent}\n`);
		this.sent += data.length;
		this.socket.write(data);
	}

	feed(data, hop, what) {
		const found = [];
		this.buffer = Buffer.concat([this.buffer, data]);
		while (this.buffer.length >= 4 && this.buffer.length >= 4 + this.buffer.readUInt32BE(0)) {
			const size = 4 + this.buffer.readUInt32BE(0);
			const uid = this.buffer.readBigUInt64BE(4) ^ keys[hop];
			if (what)
				lines.push(`${what} ${uid} ${this.local} ${this.remote} ${this.taken}\n`);
			found.push({uid, fan: this.buffer.readUInt32BE(12), work: this.buffer.readUInt32BE(16)});
			this.taken += size;
			this.buffer = this.buffer.subarray(size);
		}
		return found;
	}
}

const free = [], wanting = [];
let open = 0;

function giveBack(connection) {
	const next = wanting.shift();
	if (next)
		next(connection);
	else
		free.push(connection);
}

function borrow() {
	if (free.length)
		return Promise.resolve(free.pop());
	if (open < connections) {
		open++;
		return new Promise((done) => {
			const socket = net.connect({port: back, host: '127.0.0.1', noDelay: true}, () => {
				const connection = {wire: new Wire(socket), answered: null};
				socket.on('data', (data) => {
					for (const _ of connection.wire.feed(data, 'fromBack'))
						connection.answered();
				});
				done(connection);
			});
		});
	}
	return new Promise((done) => wanting.push(done));
}

async function call(message) {
	const connection = await borrow();
	await new Promise((done) => {
		connection.answered = done;
		connection.wire.send(message, 'toBack', 'C');
	});
	giveBack(connection);
}

async function serve(wire, message) {
	await Promise.all(Array.from({length: message.fan}, () => call(message)));
	wire.send(message, 'fromFront');
}

const server = net.createServer({noDelay: true}, (socket) => {
	const wire = new Wire(socket);
	socket.on('data', (data) => wire.feed(data, 'toFront', 'R').forEach((m) => serve(wire, m)));
	socket.on('error', () => {});
});
server.listen({port, host: '127.0.0.1', backlog: 256}, () => console.log('ready'));
process.on('SIGTERM', () => {
	fs.writeFileSync(`${process.env.ORACLE}/${process.pid}.log`, lines.join(''));
	process.exit(0);
});
