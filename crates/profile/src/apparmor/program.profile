abi <abi/4.0>,
profile lockstep /usr/{,local/}bin/lockstep flags=(unconfined) {
  userns,
}
