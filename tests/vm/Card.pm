# SPDX-License-Identifier: MIT
# The card of a guest: a vggsimd process, which can be killed and started again
# in mid-test, with faults or without.
package Card;
use strict;
use warnings;
use POSIX qw(WNOHANG);
use Time::HiRes qw(time);

my $soon = 60; # seconds for what takes a moment, on a busy machine, too

sub new {
	my ($class, %options) = @_; # loop, program, socket, log
	return bless { %options, pid => 0, starts => 0, errors => [] }, $class;
}

sub note {
	my ($self, $line) = @_;
	print { $self->{log} } "$line\n";
}

# Dies with a message if the daemon does not come up.
sub start {
	my ($self, @arguments) = @_;
	die "the card runs already\n" if $self->alive;
	unlink $self->{socket};
	$self->{ready} = 0;
	pipe(my $out, my $out_child) or die "pipe: $!\n";
	pipe(my $err, my $err_child) or die "pipe: $!\n";
	my $pid = fork // die "fork: $!\n";
	if (!$pid) {
		open STDOUT, '>&', $out_child;
		open STDERR, '>&', $err_child;
		open STDIN, '<', '/dev/null';
		# Should we be killed, it is, too.
		exec('setpriv', '--pdeathsig', 'KILL', $self->{program}, '--socket',
			$self->{socket}, @arguments) or print STDERR "setpriv: $!\n";
		POSIX::_exit(127);
	}
	close $out_child;
	close $err_child;
	$self->{pid} = $pid;
	$self->{starts}++;
	$self->note("-- started: @arguments");
	$self->{loop}->add($out, sub { $self->on_output(@_) });
	$self->{loop}->add($err, sub { $self->on_error(@_) });
	$self->{said} = $err;
	return if $self->{loop}->wait_for($soon,
		sub { $self->{ready} || !$self->alive }) && $self->{ready};
	$self->kill_it('KILL');
	die "vggsimd does not start; see card.log\n";
}

sub on_output {
	my ($self, $line) = @_;
	$self->note($line);
	$self->{ready} = 1 if $line =~ /^vggsimd: ready /;
	$self->{stats} = $1 if $line =~ /^vggsimd: stats (.*when=signal.*)/;
}

sub on_error {
	my ($self, $line) = @_;
	$self->note("! $line");
	push @{$self->{errors}}, $line if $line =~ /driver error/;
	# What a sanitizer says of the card itself is as bad.
	push @{$self->{errors}}, $line if $line =~ /ERROR: \w+Sanitizer|runtime error:/;
}

sub alive {
	my ($self) = @_;
	return 0 if !$self->{pid};
	if (waitpid($self->{pid}, WNOHANG) == $self->{pid}) {
		$self->note("-- ended with status $?");
		$self->{pid} = 0;
		return 0;
	}
	return 1;
}

sub kill_it {
	my ($self, $signal) = @_;
	return if !$self->alive;
	kill $signal, $self->{pid};
	$self->{loop}->wait_for(5, sub { !$self->alive }) and return;
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	$self->{pid} = 0;
}

sub signal {
	my ($self, $signal) = @_;
	die "the card is not running\n" if !$self->alive;
	kill $signal, $self->{pid};
}

# "key=value key=value ..." of the present client.
sub statistics {
	my ($self) = @_;
	die "the card is not running\n" if !$self->alive;
	delete $self->{stats};
	kill 'USR1', $self->{pid};
	$self->{loop}->wait_for($soon, sub { $self->{stats} })
		or die "the card gives no statistics\n";
	return $self->{stats};
}

# What the driver did wrong since the last call, by the card's judgement.
sub errors_take {
	my ($self) = @_;
	# What it has said already may still be in its pipe.
	$self->{loop}->drain($self->{said}) if $self->{said};
	my @errors = @{$self->{errors}};
	$self->{errors} = [];
	return @errors;
}

1;
