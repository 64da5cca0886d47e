# SPDX-License-Identifier: MIT
# The virtual machine: QEMU's command line and its monitor (QMP). QEMU comes
# from tools/trixie's folder and runs without entering it: its own loader finds
# its own libraries there, and no rights are needed.
package Qemu;
use strict;
use warnings;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX qw(WNOHANG);

my $json = JSON::PP->new->canonical;
my $soon = 120; # seconds for what takes few, on a busy machine, too
my $log_limit = 1 << 20; # a dead card is worth two lines an access

sub new {
	my ($class, %options) = @_; # loop, trixie, dir (of sockets), log
	return bless { %options, pid => 0, events => [], answers => {}, id => 0,
		logged => 0 }, $class;
}

# A program of the trixie folder, from outside.
sub inside {
	my ($self, $program, @arguments) = @_;
	my $t = $self->{trixie};
	my ($loader, $libraries) = -e "$t/lib64/ld-linux-x86-64.so.2" ?
		('lib64/ld-linux-x86-64.so.2', 'x86_64-linux-gnu') :
		('lib/ld-linux-aarch64.so.1', 'aarch64-linux-gnu');
	die "$t is not there; run tools/trixie $t\n" if !-e "$t/$loader";
	$ENV{QEMU_MODULE_DIR} = "$t/usr/lib/$libraries/qemu";
	return ("$t/$loader", '--library-path',
		"$t/lib/$libraries:$t/usr/lib/$libraries",
		"$t/usr/bin/$program", @arguments);
}

sub machine {
	my ($memory) = @_;
	return ('-M', 'virt,gic-version=3,its=on,memory-backend=mem', '-cpu',
		'cortex-a72', '-smp', 2, '-m', $memory, '-object',
		"memory-backend-memfd,id=mem,size=$memory,share=on", '-nodefaults',
		'-display', 'none', '-no-reboot');
}

# The machine's own device tree, with caches that nobody keeps coherent, as
# RK3399's PCIe has them: every "dma-coherent" is taken out.
sub tree_noncoherent {
	my ($self, $memory, $to) = @_;
	my @machine = machine($memory);
	$machine[1] .= ",dumpdtb=$to.coherent";
	system($self->inside('qemu-system-aarch64', @machine,
		'-L', "$self->{trixie}/usr/share/qemu")) == 0 && -s "$to.coherent"
		or die "QEMU writes no device tree\n";
	open my $f, '<:raw', "$to.coherent" or die "$to.coherent: $!\n";
	my $tree = do { local $/; <$f> };
	my ($magic, undef, $at, $strings, $strings_size) =
		(unpack 'N9', $tree)[0 .. 3, 8];
	die "$to.coherent is no device tree\n" if $magic != 0xd00dfeed;
	# QEMU pads its tree to 1 MiB and would double that; Linux takes 2 MiB
	# at most. The strings are what comes last in it.
	substr($tree, 4, 4) = pack 'N', $strings + $strings_size;
	$tree = substr $tree, 0, $strings + $strings_size;
	my $removed = 0;
	for (;;) {
		my $token = unpack 'N', substr $tree, $at, 4;
		last if $token == 9;
		if ($token == 1) { # a node begins, its name follows
			my $end = index $tree, "\0", $at + 4;
			$at = ($end + 4) & ~3;
			next;
		}
		if ($token == 3) { # a property: length, name, value
			my ($length, $name) = unpack 'N2', substr $tree, $at + 4, 8;
			my $size = 12 + (($length + 3) & ~3);
			if (unpack('Z*', substr $tree, $strings + $name) eq
				'dma-coherent') {
				# Nothing may move, so it becomes NOPs.
				substr($tree, $at, $size) = pack('N', 4) x ($size / 4);
				$removed++;
			}
			$at += $size;
			next;
		}
		$at += 4;
	}
	die "the machine's device tree names nothing dma-coherent\n" if !$removed;
	open $f, '>:raw', $to or die "$to: $!\n";
	print $f $tree;
	close $f or die "$to: $!\n";
}

sub card_device {
	my ($self) = @_;
	return { driver => 'vfio-user-pci', id => 'card', bus => 'root0',
		socket => { type => 'unix', path => "$self->{dir}/card" } };
}

# options: kernel, initrd, append, memory, console, ports => {name => on_line},
# dtb, card, nvme, shell, icount
sub start {
	my ($self, %o) = @_;
	my @command = ($self->inside('qemu-system-aarch64'), '-L',
		"$self->{trixie}/usr/share/qemu", machine($o{memory}),
		# A clock that counts instructions knows one CPU only.
		$o{icount} ? ('-smp', 1, '-icount', 'shift=2') : (),
		'-kernel', $o{kernel}, '-initrd', $o{initrd}, '-append', $o{append},
		'-device', 'virtio-serial-pci,id=ports',
		'-device', 'pcie-root-port,id=root0,chassis=1,slot=1,x-speed=5,x-width=4');
	push @command, '-serial', $o{shell} ? 'mon:stdio' : "file:$o{console}";
	push @command, '-dtb', $o{dtb} if $o{dtb};
	push @command, '-device', $json->encode($self->card_device) if $o{card};
	push @command, '-drive', "if=none,id=disk,format=raw,file=$o{nvme}",
		'-device', 'nvme,drive=disk,serial=vgg' if $o{nvme};
	my (@listen, @on_line);
	my %on_line = (%{$o{ports}}, qmp => sub { $self->on_answer(@_) });
	for my $name (sort keys %on_line) {
		push @listen, IO::Socket::UNIX->new(Local => "$self->{dir}/$name",
			Listen => 1) || die "$self->{dir}/$name: $!\n";
		push @on_line, $on_line{$name};
		push @command, $name eq 'qmp' ? ('-qmp', "unix:$self->{dir}/qmp") :
			('-chardev', "socket,id=$name,path=$self->{dir}/$name",
			'-device', "virtserialport,chardev=$name,name=vgg.$name");
	}
	$self->spawn($o{shell}, @command);
	for my $name (sort keys %on_line) {
		my $listen = shift @listen;
		my $on_line = shift @on_line;
		$listen->blocking(0);
		my $socket;
		$self->{loop}->wait_for($soon, sub {
			return ($socket = $listen->accept) || !$self->alive;
		});
		die "QEMU does not start; see qemu.log\n" if !$socket;
		$self->{$name} = $socket;
		$self->{loop}->add($socket, $on_line);
	}
	$self->command('qmp_capabilities');
}

sub spawn {
	my ($self, $terminal, @command) = @_;
	print { $self->{log} } "@command\n";
	pipe(my $err, my $err_child) or die "pipe: $!\n";
	my $pid = fork // die "fork: $!\n";
	if (!$pid) {
		if (!$terminal) {
			open STDIN, '<', '/dev/null';
			open STDOUT, '>&', $err_child;
		}
		open STDERR, '>&', $err_child;
		exec('setpriv', '--pdeathsig', 'KILL', @command)
			or print STDERR "setpriv: $!\n";
		POSIX::_exit(127);
	}
	close $err_child;
	$self->{pid} = $pid;
	$self->{loop}->add($err, sub {
		my ($line) = @_;
		return if $self->{logged} > $log_limit;
		$self->{logged} += length $line;
		print { $self->{log} } "$line\n";
	});
}

sub alive {
	my ($self) = @_;
	return 0 if !$self->{pid};
	if (waitpid($self->{pid}, WNOHANG) == $self->{pid}) {
		$self->{status} = $?;
		$self->{pid} = 0;
		return 0;
	}
	return 1;
}

sub kill_it {
	my ($self) = @_;
	return if !$self->alive;
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	$self->{pid} = 0;
}

# To one of the guest's serial ports.
sub say_to {
	my ($self, $port, $line) = @_;
	my $out = "$line\n";
	while (length $out) {
		my $n = syswrite $self->{$port}, $out;
		if (!defined $n) {
			die "$port: $!\n" if !$!{EAGAIN};
			select undef, undef, undef, 0.01;
			next;
		}
		substr($out, 0, $n) = '';
	}
}

sub on_answer {
	my ($self, $line) = @_;
	my $answer = $json->decode($line);
	push @{$self->{events}}, $answer if $answer->{event};
	$self->{answers}{$answer->{id}} = $answer if defined $answer->{id};
}

# Carries out a monitor command; dies with QEMU's reason if it refuses.
sub command {
	my ($self, $name, %arguments) = @_;
	my $id = ++$self->{id};
	$self->say_to('qmp', $json->encode({ execute => $name,
		arguments => \%arguments, id => $id }));
	$self->{loop}->wait_for($soon,
		sub { $self->{answers}{$id} || !$self->alive });
	my $answer = delete $self->{answers}{$id}
		// die "QEMU does not answer $name\n";
	die "$name: $answer->{error}{desc}\n" if $answer->{error};
	return $answer->{return};
}

# Takes the card out of its slot, as a person would who asks the guest first,
# and waits until the guest has let it go.
sub card_remove {
	my ($self) = @_;
	$self->{events} = [];
	$self->command('device_del', id => 'card');
	$self->{loop}->wait_for($soon, sub {
		return !$self->alive || grep {
			$_->{event} eq 'DEVICE_DELETED' && ($_->{data}{device} // '') eq 'card'
		} @{$self->{events}};
	}) or die "the guest does not let the card go\n";
	die "QEMU ended\n" if !$self->alive;
}

sub card_add {
	my ($self) = @_;
	$self->command('device_add', %{$self->card_device});
}

1;
