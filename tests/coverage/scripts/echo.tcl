# SPDX-License-Identifier: Apache-2.0
proc echo {chan} {
	puts -nonewline $chan [read $chan 65536]
	if {[eof $chan]} { close $chan }
}
proc accept {chan address port} {
	fconfigure $chan -blocking 0 -translation binary -buffering none
	fileevent $chan readable [list echo $chan]
}
socket -server accept -myaddr 127.0.0.1 [lindex $argv 0]
vwait forever
