#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A guest that has no MSI: the module takes the interrupt line, which the card
# shares with its port there.
use strict;
use warnings;
use Test::More;

chdir $ENV{VGG_TOP} if $ENV{VGG_TOP};

# Boots a guest, runs a test in it; returns the kernel's log.
sub guest {
	my ($name, @options) = @_;
	my $out = qx(tests/vm/run --name $name @options 2>&1);
	is($?, 0, "$name: the guest and its tests pass") or diag($out);
	open my $f, '<', "build/vm/$name/console.log" or return '';
	local $/;
	return <$f>;
}

my $log = guest('nomsi', '--mode msi', '--append pci=nomsi',
	'--command test_job', '--command test_fault',
	# Again as the last, so that the module is unloaded from a line that is held.
	"--command 'test_fault stuck_interrupt'");
like($log, qr/no interrupts by MSI/, 'a machine without MSI: says so');
like($log, qr/MiB on board, INTx,/, '... and takes the interrupt line');

done_testing();
