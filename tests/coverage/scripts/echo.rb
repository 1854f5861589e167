# SPDX-License-Identifier: Apache-2.0
# A thread per connection.
require 'socket'
trap('TERM') { exit! 0 }
server = TCPServer.new('127.0.0.1', ARGV[0].to_i)
loop do
  Thread.new(server.accept) do |c|
    while (data = c.readpartial(65536) rescue nil)
      c.write(data)
    end
    c.close
  end
end
