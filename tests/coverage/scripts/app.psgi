# SPDX-License-Identifier: Apache-2.0
sub { my $env = shift; [200, ['Content-Type', 'text/plain'], [$env->{PATH_INFO} x 20]] };
