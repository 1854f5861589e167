<?php
// SPDX-License-Identifier: Apache-2.0
// The extensions that PHP loads with RTLD_DEEPBIND: sockets and curl; and the streams of its own.
$c = curl_init("http://127.0.0.1:BACK/small.txt");
curl_setopt($c, CURLOPT_RETURNTRANSFER, true);
echo md5(curl_exec($c)), "\n";
curl_close($c);
$s = socket_create(AF_INET, SOCK_STREAM, SOL_TCP);
socket_connect($s, "127.0.0.1", BACK);
socket_write($s, "GET /small.txt HTTP/1.0\r\n\r\n");
$all = "";
while (($got = socket_read($s, 8192)) != "")
	$all .= $got;
socket_close($s);
echo md5(explode("\r\n\r\n", $all)[1]), "\n";
echo md5(file_get_contents("http://127.0.0.1:BACK/large.bin")), "\n";
