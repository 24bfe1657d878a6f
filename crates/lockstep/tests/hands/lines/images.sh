# Images: list, load, save, tag, remove; and the verbs that make an image of a container.
# The form of a case: see prelude.bash.

## images
hand() { $E images --format '{{.Repository}}:{{.Tag}}'; }
filter() { grep ^hands | sort; }

## images-quiet
hand() { $E images -q $IMG; }

## images-headings
hand() { $E images | head -1; }
filter() { tr -s ' '; }

## images-filter
hand() { $E images --filter reference='*hands-app*' --format '{{.Tag}}'; }

## load-input
setup() { $E rmi $APP; }
hand() { $E load -i $APP_ARCHIVE; }
teardown() { $E load -i $APP_ARCHIVE; }

## load-stdin
setup() { $E rmi $APP; }
hand() { $E load -q < $APP_ARCHIVE >/dev/null; }
after() { $E run --rm $APP; }
teardown() { $E load -i $APP_ARCHIVE; }

## load-oci-archive
# as: podman
hand() { $E load -q -i $OCI_ARCHIVE >/dev/null; }
after() { $E run --rm hands-oci:1 cat /srv/index.html; }
teardown() { $E rmi hands-oci:1; }

## load-not-an-archive
setup() { echo nonsense > "$W/f"; }
hand() { $E load -i "$W/f"; }

## save-output
hand() { $E save -o "$W/out.tar" $IMG; }
after() { tar -tf "$W/out.tar" | grep -c '^manifest.json$'; }

## save-pipe
hand() { $E save $IMG | tar -xOf - manifest.json | grep -o '"RepoTags":\[[^]]*\]'; }

## save-missing
hand() { $E save -o "$W/out.tar" hands-nosuch:1; }

## save-load-other-engine
# What one engine saves skopeo can read.
hand() { $E save -o "$W/out.tar" $APP && skopeo inspect --config docker-archive:"$W/out.tar" | tr -d ' \n' | grep -o '"Entrypoint":\[[^]]*\]'; }

## tag
hand() { $E tag $IMG hands-alias:2; }
after() { $E run --rm hands-alias:2 echo by alias; }
teardown() { $E rmi hands-alias:2; }

## tag-missing
hand() { $E tag hands-nosuch:1 other:1; }

## history
hand() { $E history --format '{{.CreatedBy}}' $IMG; }

## history-quiet-count
hand() { $E history -q $APP | wc -l; }

## image-inspect
hand() { $E image inspect --format '{{.Config.Entrypoint}} {{.Config.Cmd}} {{.Config.User}} {{.Architecture}} {{index .Config.Labels "maker"}}' $APP; }

## image-ls
hand() { $E image ls -q --no-trunc $IMG; }

## rmi-tag
setup() { $E tag $IMG hands-gone:1; }
hand() { $E rmi hands-gone:1; }
after() { $E images -q hands-gone | wc -l; }

## rmi-in-use
setup() { $E create --name $N $APP; }
hand() { $E rmi $APP; }
teardown() { $E rm -f $N; $E load -i $APP_ARCHIVE; }

## rmi-missing
hand() { $E rmi hands-nosuch:1; }

## image-rm-force
setup() { $E create --name $N $APP; }
hand() { $E image rm -f $APP >/dev/null; }
after() { $E images | grep -c hands-app; }
teardown() { $E rm -f $N; $E load -i $APP_ARCHIVE; }

## image-prune
hand() { $E image prune -f >/dev/null; }
after() { $E run --rm $IMG echo still there; }

## export
setup() { $E create --name $N $IMG true; }
hand() { $E export $N | tar -xOf - srv/index.html; }

## import
hand() { tar -C $ROOTFS -c . | $E import - hands-imported:1 >/dev/null; }
after() { $E run --rm hands-imported:1 cat /srv/index.html; }
teardown() { $E rmi hands-imported:1; }

## commit
setup() { $E run --name $N $IMG sh -c 'echo changed > /srv/index.html'; }
hand() { $E commit $N hands-committed:1 >/dev/null; }
after() { $E run --rm hands-committed:1 cat /srv/index.html; }
teardown() { $E rmi -f hands-committed:1; }

## diff
setup() { $E run --name $N $IMG sh -c 'echo new > /srv/new; rm /srv/index.html'; }
hand() { $E diff $N | grep srv; }
