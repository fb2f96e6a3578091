#!/usr/bin/env bash
# A SLURM cluster of two nodes on this machine, from Debian's packages: cluster.sh up | down | kill-node NODE
#
# Needs root. Two nodes (n1, n2: 4 processors, 16 GB and one GPU each, all pretended), partitions cpu and gpu, account lab,
# accounting through slurmdbd and MariaDB. What it writes lies below $CLUSTER, but for a link to its configuration in
# /etc/slurm, since jobs started by Snakemake lose SLURM_CONF. It listens on the loopback interface alone, has a munge key
# of its own, and ends by the process ids that it recorded.
set -euo pipefail
CLUSTER=${CLUSTER:-/tmp/cortexclip-slurm}
DB_PORT=13307 CTL_PORT=16817 DBD_PORT=16819 NODE_PORT=16820
export SLURM_CONF=$CLUSTER/etc/slurm.conf

say() { echo "cluster: $*" >&2; }
wait_for() { # SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $end ]; then
      say "gave up waiting for: $*"
      return 1
    fi
    sleep 0.2
  done
}
running() { [ -s "$CLUSTER/run/$1.pid" ] && [ "$(cat "/proc/$(cat "$CLUSTER/run/$1.pid")/comm" 2>/dev/null)" = "$2" ]; }

install_packages() {
  local missing=() made=no
  command -v slurmctld >/dev/null || missing+=(slurm-wlm)
  command -v slurmdbd >/dev/null || missing+=(slurmdbd)
  command -v munged >/dev/null || missing+=(munge)
  command -v mariadbd >/dev/null || missing+=(mariadb-server)
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  if [ ! -e /usr/sbin/policy-rc.d ]; then # packages shall not start daemons
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    made=yes
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$CLUSTER/log/apt.log" 2>&1 \
    || { tail -20 "$CLUSTER/log/apt.log" >&2; exit 1; }
  [ $made = no ] || rm -f /usr/sbin/policy-rc.d
}

configure() {
  cat >"$CLUSTER/etc/slurmdbd.conf" <<END
AuthType=auth/munge
AuthInfo=socket=$CLUSTER/munge/socket
DbdHost=localhost
DbdPort=$DBD_PORT
SlurmUser=root
LogFile=$CLUSTER/log/slurmdbd.log
PidFile=$CLUSTER/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$DB_PORT
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
END
  chmod 600 "$CLUSTER/etc/slurmdbd.conf"
  cat >"$CLUSTER/etc/slurm.conf" <<END
ClusterName=lab
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$CTL_PORT
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$CLUSTER/munge/socket
CryptoType=crypto/munge
StateSaveLocation=$CLUSTER/state
SlurmdSpoolDir=$CLUSTER/spool-%n
SlurmctldPidFile=$CLUSTER/run/slurmctld.pid
SlurmdPidFile=$CLUSTER/run/slurmd-%n.pid
SlurmctldLogFile=$CLUSTER/log/slurmctld.log
SlurmdLogFile=$CLUSTER/log/slurmd-%n.log
# Without cgroups and systemd: memory is sampled, once a second
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
MpiDefault=none
SwitchType=switch/none
# A node that does not answer is down after 10 s
SlurmdTimeout=10
ReturnToService=2
KillWait=2
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
MaxArraySize=1001
MinJobAge=300
GresTypes=gpu
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort=$DBD_PORT
AccountingStoragePass=$CLUSTER/munge/socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
JobCompType=jobcomp/none
NodeName=n1 NodeHostname=n1 NodeAddr=127.0.0.1 Port=$((NODE_PORT + 1)) CPUs=4 CoresPerSocket=4 RealMemory=16000 Gres=gpu:1
NodeName=n2 NodeHostname=n2 NodeAddr=127.0.0.1 Port=$((NODE_PORT + 2)) CPUs=4 CoresPerSocket=4 RealMemory=16000 Gres=gpu:1
PartitionName=cpu Nodes=n1,n2 Default=YES MaxTime=1-00:00:00 DefaultTime=01:00:00 State=UP
PartitionName=gpu Nodes=n1,n2 MaxTime=04:00:00 DefaultTime=00:30:00 State=UP
END
  printf 'NodeName=n1,n2 Name=gpu File=%s\n' "$CLUSTER/dev/gpu0" >"$CLUSTER/etc/gres.conf"
  [ -c "$CLUSTER/dev/gpu0" ] || mknod -m 666 "$CLUSTER/dev/gpu0" c 1 3
}

start_munge() {
  running munged munged && return
  [ -s "$CLUSTER/munge/key" ] || (umask 077 && head -c 1024 /dev/urandom >"$CLUSTER/munge/key")
  rm -f "$CLUSTER/munge/socket"*
  munged --force --socket="$CLUSTER/munge/socket" --key-file="$CLUSTER/munge/key" --pid-file="$CLUSTER/run/munged.pid" \
    --log-file="$CLUSTER/log/munged.log" --seed-file="$CLUSTER/munge/seed"
  wait_for 10 sh -c "munge -S $CLUSTER/munge/socket -n </dev/null | unmunge -S $CLUSTER/munge/socket"
}

start_database() {
  running mariadbd mariadbd && return
  local sql="mariadb --no-defaults --socket=$CLUSTER/mysql/socket"
  chown mysql: "$CLUSTER/mysql"
  [ -d "$CLUSTER/mysql/mysql" ] || mariadb-install-db --no-defaults --user=mysql --datadir="$CLUSTER/mysql" \
    --auth-root-authentication-method=socket --skip-test-db >"$CLUSTER/log/mariadb.log" 2>&1
  setsid mariadbd --no-defaults --user=mysql --datadir="$CLUSTER/mysql" --socket="$CLUSTER/mysql/socket" \
    --bind-address=127.0.0.1 --port=$DB_PORT --pid-file="$CLUSTER/mysql/pid" --innodb-lock-wait-timeout=900 \
    --innodb-flush-log-at-trx-commit=2 >>"$CLUSTER/log/mariadb.log" 2>&1 </dev/null &
  echo $! >"$CLUSTER/run/mariadbd.pid"
  wait_for 40 $sql -e "select 1"
  $sql -e "create database if not exists slurm_acct_db;
           create user if not exists slurm@'127.0.0.1' identified by 'slurm';
           grant all on slurm_acct_db.* to slurm@'127.0.0.1';"
}

start_node() { # a host name of its own, which its jobs see too
  running "slurmd-$1" slurmd && return
  mkdir -p "$CLUSTER/spool-$1"
  unshare --uts -- sh -c "hostname $1 && exec slurmd -N $1"
}

up() {
  [ "$(id -u)" = 0 ] || { say "needs root"; exit 1; }
  if [ -e /etc/slurm/slurm.conf ] && [ "$(readlink /etc/slurm/slurm.conf)" != "$SLURM_CONF" ]; then
    say "/etc/slurm/slurm.conf is there: this machine has a cluster of its own, which is left alone"
    exit 1
  fi
  mkdir -p "$CLUSTER"/{etc,run,log,state,mysql,munge,dev}
  chmod 755 "$CLUSTER" "$CLUSTER"/*
  install_packages
  configure
  mkdir -p /etc/slurm
  ln -sfn "$SLURM_CONF" /etc/slurm/slurm.conf
  start_munge
  start_database
  running slurmdbd slurmdbd || slurmdbd
  wait_for 40 sacctmgr -n show cluster
  sacctmgr -i -Q add cluster lab >/dev/null || true
  sacctmgr -i -Q add account lab Description=lab Organization=lab >/dev/null || true
  sacctmgr -i -Q add user "$(id -un)" Account=lab DefaultAccount=lab >/dev/null || true
  running slurmctld slurmctld || slurmctld
  wait_for 40 scontrol ping
  start_node n1
  start_node n2
  wait_for 40 sh -c '[ "$(sinfo -h -N -p cpu -t idle,mix,alloc -o %N | wc -l)" = 2 ]'
  srun -p cpu -n1 --mem=50 true
  say "up: $(sinfo -h -N -p gpu -o '%N %T %G' | paste -sd ';')"
}

stop() { # NAME COMMAND: end a daemon that this script started
  running "$1" "$2" || { rm -f "$CLUSTER/run/$1.pid"; return 0; }
  local pid
  pid=$(cat "$CLUSTER/run/$1.pid")
  kill "$pid"
  wait_for 15 sh -c "! kill -0 $pid" || kill -KILL "$pid"
  rm -f "$CLUSTER/run/$1.pid"
}

of_node() { # process ids that see the host name of a node
  local file
  for file in /proc/[0-9]*/ns/uts; do
    [ "$(readlink "$file" 2>/dev/null)" = "$(cat "$CLUSTER/run/$1.uts")" ] && echo "${file//[!0-9]/}"
  done
  true
}

kill_node() { # as when its power fails: the daemon and every job on it
  readlink "/proc/$(cat "$CLUSTER/run/slurmd-$1.pid")/ns/uts" >"$CLUSTER/run/$1.uts"
  local pids
  pids=$(of_node "$1")
  kill -KILL "$(cat "$CLUSTER/run/slurmd-$1.pid")" # first, or it would still tell of the end of its jobs
  kill -KILL $pids 2>/dev/null || true
  rm -f "$CLUSTER/run/slurmd-$1.pid"
  say "$1 is dead"
}

down() {
  if running slurmctld slurmctld; then
    timeout 10 scancel --user "$(id -un)" || true
    wait_for 20 sh -c '[ -z "$(squeue -h)" ]' || true
  fi
  stop slurmd-n1 slurmd
  stop slurmd-n2 slurmd
  stop slurmctld slurmctld
  stop slurmdbd slurmdbd
  stop mariadbd mariadbd
  stop munged munged
  rm -f /etc/slurm/slurm.conf
  say "down"
}

case "${1:-}" in
  up) up ;;
  down) down ;;
  kill-node) kill_node "$2" ;;
  *) sed -n 2p "$0" >&2; exit 2 ;;
esac
