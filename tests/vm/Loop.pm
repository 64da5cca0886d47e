# SPDX-License-Identifier: MIT
# One loop over everything that can say something while a guest runs: serial
# ports, QEMU's monitor, the card's daemon. Lines are handed to whoever asked.
package Loop;
use strict;
use warnings;
use IO::Select;
use Time::HiRes qw(time);

sub new {
	my ($class) = @_;
	return bless { select => IO::Select->new, source => {} }, $class;
}

# Calls on_line->(line) for each line that comes, on_end->() at the end.
sub add {
	my ($self, $handle, $on_line, $on_end) = @_;
	$handle->blocking(0);
	$self->{select}->add($handle);
	$self->{source}{fileno $handle} =
		{ buffer => '', on_line => $on_line, on_end => $on_end };
}

sub read_from {
	my ($self, $handle) = @_;
	my $number = fileno $handle;
	my $source = $self->{source}{$number};
	my $n = sysread $handle, $source->{buffer}, 65536, length $source->{buffer};
	return if !defined $n && $!{EAGAIN};
	if (!$n) {
		$self->{select}->remove($handle);
		delete $self->{source}{$number};
		$source->{on_line}->($source->{buffer}) if length $source->{buffer};
		$source->{on_end}->() if $source->{on_end};
		close $handle;
		return;
	}
	# A handler may wait for something, and so come back here: each line
	# leaves the buffer before it is handed over.
	while ($source->{buffer} =~ s/^([^\n]*)\n//) {
		$source->{on_line}->($1 =~ s/\r$//r);
	}
}

# What has come from that one, and no other: for callers amid somebody's lines.
sub drain {
	my ($self, $handle) = @_;
	my $only = IO::Select->new($handle);
	$self->read_from($handle) while defined fileno $handle && $only->can_read(0);
}

# Waits until something comes, at most that long.
sub turn {
	my ($self, $seconds) = @_;
	for my $handle ($self->{select}->can_read($seconds)) {
		# Another handler may have closed it by now.
		$self->read_from($handle) if defined fileno $handle;
	}
}

# True as soon as the condition is; false if it is not in time.
sub wait_for {
	my ($self, $seconds, $condition) = @_;
	my $end = time + $seconds;
	until ($condition->()) {
		my $left = $end - time;
		return 0 if $left <= 0;
		$self->turn($left < 0.2 ? $left : 0.2);
	}
	return 1;
}

1;
