-- SPDX-License-Identifier: Apache-2.0
local body = require("socket.http").request(arg[1])
io.write(body)
