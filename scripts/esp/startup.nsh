@echo -off
# Finds the volume with this driver, loads the one for this firmware and connects every NIC.
for %i in 0 1 2 3 4 5 6 7 8 9
  for %a in aarch64 riscv64 loongarch64 x86_64 ia32
    if exist fs%i:\%a\virtio-net.efi then
      fs%i:
      goto FOUND
    endif
  endfor
endfor
echo No volume holds virtio-net.efi.
goto END
# A loop left by goto keeps its variable's name reserved, hence %d below.
:FOUND
echo Trying each driver. This firmware refuses those for other processors:
# Success does not end the loop: since 2025 load leaves lasterror at 0 for a refused driver, too.
set -v found none
for %d in aarch64 riscv64 loongarch64 x86_64 ia32
  if exist %d\virtio-net.efi then
    load %d\virtio-net.efi
    if %lasterror% eq 0 then
      set -v found one
    endif
  endif
endfor
if %found% eq none then
  echo No driver on this volume is for this firmware.
  goto END
endif
connect -r
echo Loaded. For the next steps: type README.txt
:END
