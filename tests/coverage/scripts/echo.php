<?php
// SPDX-License-Identifier: Apache-2.0
// An echo server of PHP's own streams.
$server = stream_socket_server("tcp://127.0.0.1:" . $argv[1]);
$all = [$server];
for (;;) {
	$ready = $all;
	$none = null;
	stream_select($ready, $none, $none, null);
	foreach ($ready as $one) {
		if ($one === $server) {
			$all[] = stream_socket_accept($server);
			continue;
		}
		$data = fread($one, 65536);
		if ($data === "" || $data === false) {
			unset($all[array_search($one, $all, true)]);
			fclose($one);
			continue;
		}
		for ($at = 0; $at < strlen($data); $at += fwrite($one, substr($data, $at)));
	}
}
