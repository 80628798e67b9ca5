"""The words that users of other tools type, and what they are called here."""

MEANINGS: tuple[tuple[str, ...], ...] = (
    ("epochs epoch num_epochs n_epochs", "max_images", "trainer.max_epochs"),
    ("steps iters iterations num_steps max_iter niter kimg updates length", "max_images", "trainer.max_steps"),
    ("time", "trainer.max_time"),
    ("debug dry_run smoke", "trainer.fast_dev_run"),
    ("run run_name exp exp_name experiment experiment_name project", "name"),
    ("out outdir out_dir save", "out", "output", "runs_dir", "name"),
    ("output output_dir save_to", "output", "out", "runs_dir", "name"),
    ("dir logdir log_dir save_dir results_dir checkpoint_dir default_root_dir root_dir", "runs_dir", "name"),
    ("resume continue restart", "ckpt_path last"),
    ("ckpt checkpoint checkpoint_path resume_from resume_from_checkpoint load weights pretrained", "ckpt_path"),
    ("recipe cfg conf preset yaml config_file", "config"),
    ("seed random_seed manual_seed", "seed_everything", "seed"),
    ("save_every save_freq save_interval snap", "checkpoint_every_images"),
    ("log_every log_interval log_freq print_freq print_every", "log_every_images"),
    ("sample_every sample_interval sample_freq", "sample_every_images"),
    (
        "val_every eval_every val_interval eval_interval",
        "trainer.val_check_interval",
        "trainer.check_val_every_n_epoch",
    ),
    ("gpus gpu num_gpus ngpu n_gpu gpu_ids num_devices", "trainer.devices"),
    ("device cuda cpu mps no_cuda", "trainer.accelerator"),
    ("nodes nnodes", "trainer.num_nodes"),
    ("ddp distributed parallel", "trainer.strategy"),
    ("amp fp16 bf16 half mixed_precision dtype", "trainer.precision"),
    ("workers n_workers nw n_cpu threads", "num_workers"),
    ("dataset data_set datasets datamodule", "data"),
    (
        "data_dir data_path dataroot data_root root folder images image_dir train_dir input",
        *("data.folder", "data.path", "data ImageFolder --data.folder"),
    ),
    ("image_size img_size imsize resolution res imagesize crop_size resize", "data.size"),
    ("batch bs batchsize train_batch_size minibatch", "batch_size"),
    ("nz z z_dim zdim latent latents latent_size noise_dim code_size", "latent_dim"),
    ("ngf ndf nf base_channels hidden filters dim", "width"),
    ("arch architecture net network", "config", "model"),
    ("learning_rate lrate lr_g lr_d g_lr d_lr", "lr"),
    ("beta1 beta2 b1 b2 momentum", "betas"),
    ("wd", "weight_decay"),
    ("optim opt optimiser", "optimizer"),
    ("sched lr_scheduler lr_schedule", "scheduler"),
    ("loss criterion gan_mode loss_type", "objective"),
    ("beta kl_weight kld_weight kl_beta", "kl.weight"),
    ("gp_weight lambda_gp gamma r1_gamma", "gradient_penalty.weight", "r1.weight"),
    ("n_critic ncritic critic_iters d_steps", "discriminator_updates"),
    ("grad_clip clip_grad_norm max_grad_norm gradient_clip clip", "clip", "trainer.gradient_clip_val"),
    ("grad_accum accumulation_steps gradient_accumulation_steps", "accumulate", "trainer.accumulate_grad_batches"),
    ("ema_decay ema_rate", "ema.half_life_images"),
    ("wandb tensorboard log logging", "trainer.logger"),
    ("patience early_stopping", "trainer.callbacks+=EarlyStopping"),
    ("num number count num_samples n_samples nsamples", "n", "samples"),
    ("class classes label class_idx y", "labels"),
    ("trunc psi truncation_psi", "truncation"),
)
"""Words, and the ends of the options that they may mean; a value or another option may follow."""
OPTIONS = {word: options for words, *options in MEANINGS for word in words.split()}
"""The ends of the options that each word may mean."""

COMMAND_MEANINGS: tuple[tuple[str, str], ...] = (
    ("train training run start", "fit"),
    ("resume continue restart", "fit --ckpt_path last"),
    ("generate gen draw samples infer inference", "sample"),
    ("reconstruction reconstructions rebuild invert inversion project projector", "reconstruct"),
    (
        "translation translations convert colorize colourize colorise colourise colour color upscale upsample enlarge "
        "superres stylize stylise restyle inpaint deblur sharpen restore",
        "translate",
    ),
    ("encode embedding embeddings features codes", "embed"),
    ("summary summarise summarization summarisation tldr", "summarize"),
    ("eval evaluation metrics score fid measure", "evaluate"),
    ("benchmark profile speed time", "bench"),
    ("check inspect diagnose stats analyze analyse advise recommend", "doctor"),
    ("val validation", "validate"),
    ("list recipes configs models help usage", "--help"),
    ("version", "--version"),
)
"""Words, and the commands that they mean."""
COMMANDS = {word: command for words, command in COMMAND_MEANINGS for word in words.split()}
"""The command that each word means."""

OTHER_MEANINGS: tuple[tuple[str, str], ...] = (
    ("decode decoding decoder", "reconstruct CHECKPOINT codes.npz, with codes of embed or of reconstruct --codes,"),
    ("tensorboard", "python -m tensorboard.main --logdir runs"),
)
"""Words that mean no command, and what they mean."""
OTHERS = {word: call for words, call in OTHER_MEANINGS for word in words.split()}
"""What each word means that is no command."""

CLASS_MEANINGS: tuple[tuple[str, str], ...] = (
    ("bce vanilla original", "NonSaturating"),
    ("lsgan ls", "LeastSquares"),
    ("wgan wgangp", "Wasserstein"),
    ("mse l2 gaussian normal", "GaussianLikelihood"),
    ("l1 mae laplace", "LaplaceLikelihood"),
    ("folder images", "ImageFolder"),
    ("array numpy npy npz table", "Tensors"),
    ("flowmatching diffusion latentdiffusion", "RectifiedFlowSampler"),
    ("mixture", "GaussianMixtureSampler"),
    ("normalizingflow nsf", "FlowSampler"),
)
"""Words, in lower case without dashes and underscores, and the classes that they mean."""
CLASSES = {word: name for words, name in CLASS_MEANINGS for word in words.split()}
"""The class that each word means."""
