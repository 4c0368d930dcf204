# @summary A maintenance window such as `Mon..Fri 02:00-05:00`, `Tue#2 01:00-04:00 Europe/Berlin` or `Sun#-1`.
#
# Several are separated by semicolons. The program looks closer before config.ini is replaced.
type Foreman_dlm_updater::Window = Pattern[/\A(?i:\d\d:|mon|tue|wed|thu|fri|sat|sun)([\w#.,:;+\/ -]*\w)?\z/]
