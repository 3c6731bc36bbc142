# Alice's machine: a home with nothing in it, the programs just built, GitHub at its own names.
# In a mount and a process namespace of its own, as root. $1 is the scratch directory, $2 the source tree,
# $3 the directory of the programs.
set -eu
for file in hosts nsswitch.conf passwd group; do
    mount --bind "$1/etc/$file" "/etc/$file"
done
mount --bind "$1/etc/ca-certificates.crt" /etc/ssl/certs/ca-certificates.crt
machine=$1/machine
mkdir "$machine"
mount -t tmpfs -o mode=755 tmpfs "$machine"
home=$machine/home/alice
mkdir -p "$home/.cargo/bin" "$machine/home/tree" "$machine/run/user/1000" "$machine/run/tokend"
# What a clone of the sources has. Commands that write into the current directory do not write there.
mkdir "$home/tokend"
for entry in "$2"/*; do
    ln -s "/home/tree/$(basename "$entry")" "$home/tokend/"
done
cp -r "$1/values" "$1/page" "$home/"
chmod 700 "$home" "$machine/run/user/1000"
chown -Rh alice:alice "$home" "$machine/run/user/1000" "$machine/run/tokend"
# From here on what is mounted is the machine's own, so no owner or mode is changed any more.
for program in tokend tokenctl; do
    touch "$home/.cargo/bin/$program"
    mount --bind "$3/$program" "$home/.cargo/bin/$program"
    mount -o remount,bind,ro "$home/.cargo/bin/$program"
done
mount --bind "$2" "$machine/home/tree"
mount -o remount,bind,ro "$machine/home/tree"
mount --rbind "$machine/home" /home
mount --rbind "$machine/run" /run
stty rows 24 cols 80
cd /home/alice/tokend
exec setpriv --reuid alice --regid alice --clear-groups \
    env -i HOME=/home/alice USER=alice LOGNAME=alice SHELL=/bin/bash TERM=xterm LANG=C.UTF-8 \
    XDG_RUNTIME_DIR=/run/user/1000 PATH=/home/alice/.cargo/bin:/home/alice/bin:/usr/local/bin:/usr/bin:/bin \
    CURL_HOME=/home/alice/page PAGER=cat GIT_TERMINAL_PROMPT=0 GH_NO_UPDATE_NOTIFIER=1 \
    bash /home/alice/page/run.sh
