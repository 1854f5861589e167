# SPDX-License-Identifier: Apache-2.0
run ->(env) { [200, { 'content-type' => 'text/plain' }, [env['PATH_INFO'] * 20]] }
