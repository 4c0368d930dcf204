# @summary `STAGE/NAME`, or `STAGE/NN-NAME` with the place in the order in which the stage's hooks run. Notifiers are of stage `notify`.
#
# Names that the updater takes for an editor's or a package manager's leftovers are refused.
type Foreman_dlm_updater::Hook_name = Pattern[/\A(needs_update|pre_update|update|needs_reboot|post_update|notify)\/(?!.*(~|\.(bak|orig|rej|swp|rpmsave|rpmnew|rpmorig))\z)(?!.*\.(dpkg|ucf)-)\w[\w.+-]*\z/]
