# SPDX-License-Identifier: MIT
# The guest's file system, in the cpio format that the kernel unpacks at boot
# (Documentation/driver-api/early-userspace/buffer-format.rst): programs with
# the shared libraries they name, kernel modules with those they depend on.
package Initramfs;
use strict;
use warnings;
use File::Basename qw(basename dirname);
use File::Find;

sub new {
	my ($class, %options) = @_; # libraries => [folders], modules => folder
	my $self = bless { %options, files => {}, dirs => {}, loads => [],
		loaded => {} }, $class;
	# Without it init would have no standard output.
	$self->{nodes} = { 'dev/console' => [5, 1] };
	$self->dir_add('dev');
	return $self;
}

sub slurp {
	my ($path) = @_;
	open my $f, '<:raw', $path or die "$path: $!\n";
	local $/;
	return <$f>;
}

sub dir_add {
	my ($self, $dir) = @_;
	return if $dir eq '.' || $self->{dirs}{$dir}++;
	$self->dir_add(dirname $dir);
}

sub text_add {
	my ($self, $to, $content, $mode) = @_;
	$self->dir_add(dirname $to);
	$self->{files}{$to} = [$content, $mode // 0644];
}

sub file_add {
	my ($self, $from, $to) = @_;
	$self->text_add($to, slurp($from), -x $from ? 0755 : 0644);
}

# A folder's files, or one file, at the same place as here.
sub tree_add {
	my ($self, $from, $to) = @_;
	return $self->file_add($from, $to) if !-d $from;
	find({ no_chdir => 1, wanted => sub {
		$self->file_add($_, $to . substr $_, length $from) if -f $_;
	} }, $from);
}

sub program_add {
	my ($self, $from) = @_;
	$self->file_add($from, 'bin/' . basename $from);
	$self->needs_add($from);
}

# The libraries that a program or a library names, and the loader.
sub needs_add {
	my ($self, $file) = @_;
	open my $pipe, '-|', 'readelf', '-d', '-l', $file or die "readelf: $!\n";
	my @needs;
	while (<$pipe>) {
		push @needs, $1 if /\(NEEDED\).*\[(.*)\]/;
		push @needs, basename $1 if /program interpreter: (\S+)\]/;
	}
	close $pipe or die "readelf $file failed\n";
	for my $name (@needs) {
		next if $self->{files}{"lib/$name"};
		my ($found) = grep { -f } map { "$_/$name" } @{$self->{libraries}};
		die "$file needs $name, which is not in @{$self->{libraries}}\n"
			if !$found;
		$self->file_add($found, "lib/$name");
		$self->needs_add($found);
	}
}

sub module_name { return basename($_[0]) =~ s/\.ko(\.xz)?$//r =~ tr/-/_/r }

# Where each module of the kernel is; those built in are nowhere.
sub modules_find {
	my ($self) = @_;
	return if $self->{where};
	find({ no_chdir => 1, wanted => sub {
		$self->{where}{module_name($_)} = $_ if /\.ko(\.xz)?$/;
	} }, "$self->{modules}/kernel");
	for (split /\n/, slurp("$self->{modules}/modules.builtin")) {
		$self->{where}{module_name($_)} //= '';
	}
}

# The module, after those it depends on; each once, in the order of loading.
sub module_add {
	my ($self, $module, @parameters) = @_;
	$self->modules_find;
	my $path = -f $module ? $module : $self->{where}{$module =~ tr/-/_/r}
		// die "the kernel has no module $module\n";
	return if $path eq '' || $self->{loaded}{module_name($path)}++;
	my $content = slurp($path);
	my $plain = $path =~ /\.xz$/ ? `xz -dc '$path'` : $content;
	die "$path says nothing of its needs\n"
		if $plain !~ /(?:^|\0)depends=([^\0]*)\0/;
	$self->module_add($_) for split /,/, $1;
	$self->text_add('modules/' . basename($path), $content);
	push @{$self->{loads}}, join ' ', 'module', basename($path), @parameters;
}

# Lines for init's plan.
sub loads { return @{$_[0]{loads}} }

sub record {
	my ($self, $number, $name, $mode, $content, @device) = @_;
	my ($major, $minor) = @device ? @device : (0, 0);
	my $header = sprintf '070701' . '%08X' x 13, $number, $mode, 0, 0, 1, 0,
		length $content, 0, 0, $major, $minor, length($name) + 1, 0;
	my $out = "$header$name\0";
	$out .= "\0" x (-length($out) % 4) . $content;
	return $out . "\0" x (-length($out) % 4);
}

sub write_to {
	my ($self, $path) = @_;
	my $n = 0;
	open my $f, '>:raw', $path or die "$path: $!\n";
	print $f $self->record($n++, $_, 040755, '')
		for sort keys %{$self->{dirs}};
	print $f $self->record($n++, $_, 020600, '', @{$self->{nodes}{$_}})
		for sort keys %{$self->{nodes}};
	print $f $self->record($n++, $_, 0100000 | $self->{files}{$_}[1],
		$self->{files}{$_}[0]) for sort keys %{$self->{files}};
	print $f $self->record($n++, 'TRAILER!!!', 0, '');
	close $f or die "$path: $!\n";
}

1;
