#!/usr/bin/env bash
# Trains on several machines without a scheduler. The same line on each of them, with NODE counting from 0, and HEAD the
# address of the first; options of `fit` follow:
#
#     HEAD=10.0.0.1 NODES=4 NODE=0 PROCESSES=8 bash torchrun.sh --config gan/dcgan --config trainer/gpu
#
# The same lines resume an interrupted run. A run that gets SIGTERM or SIGUSR1 in one of its processes writes its
# checkpoint before it ends. PORT and PYTHON may be set; TIMEOUT is how long one process waits for another.
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NODES:-2}" --node-rank="$NODE" --nproc-per-node="${PROCESSES:-1}" \
    --master-addr="$HEAD" --master-port="${PORT:-29500}" \
    -m lightning_gen fit "$@" \
    --trainer.num_nodes="${NODES:-2}" --trainer.devices="${PROCESSES:-1}" \
    --trainer.strategy=DDPStrategy --trainer.strategy.timeout="${TIMEOUT:-0:10:00}" --ckpt_path=last
