# @summary `STAGE/NAME`, or `STAGE/NN-NAME` with the hook's place in its stage.
#
# The stage of a gate is `gate`, and the stage of a notifier is `notify`.
#
# Names that look like leftovers of an editor or a package manager are refused: the updater skips such files.
type Foreman_dlm_updater::Hook_name = Pattern[
  /\A[a-z_]+\/(?!.*(~|\.(bak|orig|rej|swp|rpmsave|rpmnew|rpmorig))\z)(?!.*\.(dpkg|ucf)-)\w[\w.+-]*\z/,
]
